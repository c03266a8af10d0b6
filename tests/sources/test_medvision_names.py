"""Names of MedVision configurations, and options that do not go together."""

from __future__ import annotations

import json

import pytest
from tests.sources.medvision_plans import PRESET, toy

from medft_bm.core.errors import ConfigError


def test_both_spellings_resolutions_and_lists_name_the_same(read, boxes_plan, tmp_path):
    plain = read("medvision", tmp_path, **toy())
    for name in (
        "Toy_BoxCoordinate_Task01_Axial",
        "Toy_BoxSize_Task1_Axial_Train",
        "Toy_BoxSize_Task01_Axial-336x336",
        "Toy_BoxSize_Task01_Axial-336x336_Train",
        "Toy_BoxCoordinate_Task01_Axial_Train-896x896",
    ):
        assert read("medvision", tmp_path, version="1.0.0", tasks=[name]) == plain
    assert read("medvision", tmp_path, version="1.0.0", tasks={"Toy_BoxSize_Task01_Axial": 240}) == plain
    (tmp_path / "list.json").write_text(json.dumps({"Toy_BoxCoordinate_Task01_Axial": 1}))
    assert read("medvision", tmp_path, version="1.0.0", task_list="list.json") == plain
    assert read("medvision", tmp_path, version="1.0.0", tasks="Toy_BoxSize_Task01_Axial_Test") == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Toy_BoxSizes_Task01_Axial", "unknown annotation 'BoxSizes'; did you mean 'BoxSize'"),
        ("Toy_BoxSize_Task01_Axila", "unknown plane 'Axila'; did you mean 'Axial'"),
        ("Toy_BoxSize_Task01_Axial_Trian", "unknown split 'Trian'; did you mean 'Train'"),
        ("Toy_BoxSize_Axial", "is not of the form"),
        ("Toy_MaskSize_Task01_Axial", "area of a mask"),
        ("Tyo_BoxSize_Task01_Axial", "unknown dataset 'Tyo'; did you mean 'Toy'"),
        ("Toy_BoxSize_Task02_Axial", "there is no Task02; the plan has 1 tasks"),
        ("Toy_BoxSize_Task00_Axial", "there is no Task00"),
    ],
)
def test_a_name_that_is_wrong_is_refused_with_the_nearest(read, boxes_plan, tmp_path, name, said):
    with pytest.raises(ConfigError, match=said):
        read("medvision", tmp_path, version="1.0.0", tasks=name)


def test_one_part_takes_one_kind_of_annotation(read, tmp_path):
    names = ["Toy_BoxSize_Task01_Axial", "Toy_TumorLesionSize_Task01_Axial"]
    with pytest.raises(ConfigError, match="one kind of annotation") as caught:
        read("medvision", tmp_path, version="1.0.0", tasks=names)
    assert "lesion_size" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tasks": "Toy_BoxSize_Task01_Axial"}, "version"),
        (toy(version="1.0"), "version: '1.0' is not a version|'1.0' is not a version"),
        (toy(task_list="list.json"), "either tasks or task_list"),
        ({"version": "1.0.0"}, "either tasks or task_list"),
        (toy(preset=PRESET, version="1.1.1"), "goes with version 1.0.0"),
        (toy(preset=PRESET, window="percentile"), "window min_max"),
        (toy(official_split="mine"), "official_split"),
        (toy(subject="(a)(b)"), "groups"),
    ],
)
def test_options_that_do_not_go_together_are_config_errors(read, tmp_path, options, said):
    with pytest.raises(ConfigError, match=said):
        read("medvision", tmp_path, **options)
