"""Whatever is wrong with the raw data or the config: one message, the right exit code, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from .conftest import Bench, refused, rewrite, truncate

CONFIG, PACKAGE, DATA = 2, 3, 4


@dataclass(frozen=True)
class Case:
    """One broken input: how it comes about, the exit code, and words of the message."""

    plant: Callable[[Bench], None]
    code: int
    said: tuple[str, ...]


CASES: dict[str, Case] = {}


def case(code: int, *said: str) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    def enter(plant: Callable[[Bench], None]) -> Callable[[Bench], None]:
        CASES[plant.__name__.replace("_", " ")] = Case(plant, code, said)
        return plant

    return enter


@case(DATA, "the folder of raw data does not exist", "nowhere")
def a_missing_data_root(bench: Bench) -> None:
    bench.ask_volumes()
    bench.sections["data"] = {"root": str(bench.folder / "nowhere")}


@case(DATA, "no file matches '*_image.nii.gz'")
def an_empty_data_root(bench: Bench) -> None:
    bench.raw.mkdir()
    bench.ask_volumes()


@case(DATA, "does not exist", "p1_mask.nii.gz")
def a_missing_mask(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    (bench.raw / "p1_mask.nii.gz").unlink()


@case(DATA, "cannot be read", "SOB_M_DC-14-3909-100-014.png")
def a_link_to_a_file_that_is_gone(bench: Bench) -> None:
    bench.raw.mkdir()
    (bench.raw / "SOB_M_DC-14-3909-100-014.png").symlink_to("nowhere.png")
    bench.parts.append({"task": "classification", "source": "breakhis"})


@case(DATA, "truncated or damaged", "p1_image.nii.gz", "copy the file again")
def a_truncated_volume(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    truncate(bench.raw / "p1_image.nii.gz")


@case(DATA, "truncated or damaged", "p1_mask.nii.gz")
def a_truncated_mask(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    truncate(bench.raw / "p1_mask.nii.gz")


@case(DATA, "the picture cannot be read", "dog/a.png")
def a_truncated_picture(bench: Bench) -> None:
    bench.pictures("cat", "dog")
    truncate(bench.raw / "dog" / "a.png")


@case(DATA, "differ in shape: (14, 11, 6) and (13, 11, 6)", "p1_image.nii.gz", "p1_mask.nii.gz", "resample")
def a_mask_of_another_shape(bench: Bench) -> None:
    bench.volume(image=np.ones((6, 11, 14), np.float32))
    bench.ask_volumes()


@case(DATA, "differ in affine", "2.9", "3.1", "p1_image.nii.gz", "p1_mask.nii.gz")
def a_mask_of_another_affine(bench: Bench) -> None:
    bench.volume(mask_spacing=(0.7, 1.3, 3.1))
    bench.ask_volumes()


@case(DATA, "no sample was found; empty mask (1 times)")
def nothing_but_an_empty_mask(bench: Bench) -> None:
    bench.volume(mask=np.zeros((6, 11, 13), np.uint8))
    bench.ask_volumes()


@case(DATA, "pixdim", "[0.0, ", "p1_image.nii.gz", "the voxel size was lost")
def a_voxel_size_of_zero(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    rewrite(bench.raw / "p1_image.nii.gz", 0.0)


@case(DATA, "pixdim", "[nan, ", "p1_mask.nii.gz", "the voxel size was lost")
def a_voxel_size_that_is_no_number(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    rewrite(bench.raw / "p1_mask.nii.gz", float("nan"))


@case(DATA, "1 of 143 values are NaN or infinite", "p1_image.nii.gz, slice 3")
def a_voxel_that_is_no_number(bench: Bench) -> None:
    values = np.ones((6, 11, 13), np.float32)
    values[3, 4, 5] = np.nan
    bench.volume(image=values)
    bench.ask_volumes()


@case(DATA, "mask values without a name: 7 (named: [1])", "p1_mask.nii.gz", "other_labels")
def a_mask_value_without_a_name(bench: Bench) -> None:
    mask = np.zeros((6, 11, 13), np.uint8)
    mask[2:5, 3:9, 2:8] = 1
    mask[4, 1, 1] = 7
    bench.volume(mask=mask)
    bench.ask_volumes()


@case(DATA, "the folder 'dgo' is not one of the classes; did you mean 'dog'?")
def an_unknown_class(bench: Bench) -> None:
    bench.pictures("cat", "dgo", classes=["cat", "dog"])


@case(DATA, "no known class", "SOB_M_XY-14-3909-100-014.png")
def an_unknown_diagnosis(bench: Bench) -> None:
    bench.pictures(".")
    (bench.raw / "a.png").rename(bench.raw / "SOB_M_XY-14-3909-100-014.png")
    bench.parts[:] = [{"task": "classification", "source": "breakhis"}]


@case(DATA, "'../secret/a.png' is not a path under the root", "raw")
def a_landmark_list_that_climbs_out_of_the_root(bench: Bench) -> None:
    bench.landmarks({"image": "../secret/a.png", "points": {"tip": [3, 4], "base": [9, 30]}})
    (bench.folder / "secret").mkdir()
    (bench.raw / "a.png").rename(bench.folder / "secret" / "a.png")


@case(CONFIG, "images", "'/etc/*'", "under the root")
def a_pattern_that_leaves_the_root(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes(images="/etc/*")


@case(CONFIG, "masks", "{prefix_mask.nii.gz")
def a_mask_template_with_a_lost_brace(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes(masks="{prefix_mask.nii.gz")


@case(DATA, "the point 'tip' must be two finite numbers, got '34'", "marks.json, entry a.png")
def a_point_written_as_text(bench: Bench) -> None:
    bench.landmarks({"image": "a.png", "points": {"tip": "34", "base": [9, 30]}})


@case(DATA, "row 2 has more values than the header", "marks.csv")
def a_landmark_table_with_a_value_too_many(bench: Bench) -> None:
    bench.landmarks()
    text = "image,tip_x,tip_y,base_x,base_y\na.png,3,4,9,30\nb.png,3,4,9,30,5\n"
    (bench.raw / "marks.csv").write_text(text, encoding="utf-8")
    bench.parts[0]["source_options"]["file"] = "marks.csv"


@case(DATA, "the landmark file cannot be read", "marks.json")
def a_landmark_list_that_ends_early(bench: Bench) -> None:
    bench.landmarks({"image": "a.png", "points": {"tip": [3, 4], "base": [9, 30]}})
    truncate(bench.raw / "marks.json")


@case(DATA, "none of the 3 samples is left", "data.limit")
def limits_of_zero_everywhere(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.sections["data"] = {"limit": {"train": 0, "validation": 0, "test": 0}}


@case(CONFIG, "the split file cannot be read", "nowhere.json")
def a_missing_split_file(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.sections["data"] = {"split": {"file": str(bench.folder / "nowhere.json")}}


@case(CONFIG, "the split file must map subjects", "split.json")
def a_split_file_of_another_kind(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    (bench.folder / "split.json").write_text('["p1"]', encoding="utf-8")
    bench.sections["data"] = {"split": {"file": str(bench.folder / "split.json")}}


@case(DATA, "is not in the split file", "split.json")
def a_split_file_that_forgets_a_subject(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    (bench.folder / "split.json").write_text('{"p2": "train"}', encoding="utf-8")
    bench.sections["data"] = {"split": {"file": str(bench.folder / "split.json")}}


@case(DATA, "belongs to 2 subjects", "p1_image.nii.gz", "`subject`")
def one_image_of_two_subjects(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.ask_volumes(subject=r"(p\d+)_")
    bench.parts[1]["name"] = "again"


@case(DATA, "the cache cannot be written", "data.cache")
def a_cache_that_cannot_be_written(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    (bench.folder / "file").write_text("", encoding="utf-8")
    bench.sections["data"] = {"cache": str(bench.folder / "file" / "cache")}


@case(CONFIG, "unknown task 'detektion'; did you mean 'detection'?", "mine.yaml", "medft")
def an_unknown_task(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.parts[0]["task"] = "detektion"


@case(CONFIG, "unknown source 'niftimasks'; did you mean 'nifti_masks'?", "mine.yaml")
def an_unknown_source(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.parts[0]["source"] = "niftimasks"


@case(CONFIG, "there is no model folder", "no/such/model")
def an_unknown_model(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.sections["model"] = {"name": str(bench.folder / "no/such/model")}


@case(CONFIG, "unknown model family 'gemma'; did you mean 'gemma3'?", "medft models")
def an_unknown_family(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.sections["model"] = {"family": "gemma"}


@case(CONFIG, "no model family handles the model type 'llama'", "docs/add-a-model.md")
def an_unknown_model_type(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    (bench.model / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")


@case(CONFIG, "config.json cannot be read", "config.json")
def a_checkpoint_whose_config_ends_early(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    truncate(bench.model / "config.json")


@case(CONFIG, "neither preprocessor_config.json nor")
def a_checkpoint_without_a_processor(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    (bench.model / "preprocessor_config.json").unlink()


@case(CONFIG, "image processor", "many")
def a_checkpoint_with_a_size_in_words(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    settings = {"size": {"height": "many", "width": 64}}
    (bench.model / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_preparing_from(medft, bench, name):
    broken = CASES[name]
    broken.plant(bench)

    done = medft("prepare", bench.config())

    refused(done, broken.code, *broken.said)
    assert bench.entries() == []
    assert not bench.run.exists()


def test_every_typo_of_a_config_is_told_at_once_by_every_verb(medft, bench):
    bench.volume()
    bench.ask_volumes(labelz={1: "liver"})
    bench.parts[0]["task"] = "detektion"
    bench.sections = {"train": {"lrr": 1, "epochs": "many"}}
    config = bench.config()
    for verb in ("prepare", "train", "evaluate", "merge"):
        done = medft(verb, config, "evaluate.limit=0")
        refused(done, CONFIG, "medft: 5 problem(s) in the config")
        for problem in (
            "train.lrr: unknown key; did you mean 'lr'? (from mine.yaml)",
            "train.epochs: ",
            "evaluate.limit: 0 leaves nothing to ask; use at least 1, or -1 for all (from 'evaluate.limit=0')",
            "data.mix.0.task: unknown task 'detektion'; did you mean 'detection'? (from mine.yaml)",
            "data.mix.0.source_options.labelz: unknown option; did you mean 'labels'? (from mine.yaml)",
        ):
            assert problem in done.err
    assert not bench.run.exists()
    assert not bench.cache.exists()


def test_a_limit_larger_than_the_data_uses_all_and_says_so(medft, bench):
    bench.volume()
    bench.ask_volumes()

    done = medft("prepare", bench.config(), "data.limit.train=50", "--json")

    assert done.code == 0, done.err
    assert "the limit is 50 and there are 3 samples; using all" in done.err
    assert [row["samples"] for row in json.loads(done.out)["summary"]] == [3]


def test_an_empty_mask_among_others_is_left_out_and_counted(medft, bench):
    bench.volume("p1")
    bench.volume("p2", mask=np.zeros((6, 11, 13), np.uint8))
    bench.ask_volumes()

    done = medft("prepare", bench.config())

    assert done.code == 0, done.err
    assert "detection/nifti_masks: left out 1: empty mask" in done.out


@pytest.mark.parametrize("which", ["image", "mask"])
def test_a_truncated_file_is_left_out_on_request_and_named(medft, bench, which):
    bench.volume("p1")
    bench.volume("p2")
    bench.ask_volumes()
    truncate(bench.raw / f"p2_{which}.nii.gz")

    done = medft("prepare", bench.config(), "data.on_error=skip", "--json")

    assert done.code == 0, done.err
    assert f"p2_{which}.nii.gz" in done.err
    assert "truncated or damaged" in done.err
    made = json.loads(done.out)
    assert sum(row["samples"] for row in made["summary"]) == 3
    assert "p2" not in (Path(made["folder"]) / "manifest.json").read_text()


def test_a_first_failure_leaves_nothing_that_a_second_try_could_trip_over(medft, bench):
    bench.volume()
    bench.ask_volumes()
    whole = (bench.raw / "p1_image.nii.gz").read_bytes()
    truncate(bench.raw / "p1_image.nii.gz")
    assert medft("prepare", bench.config()).code == DATA
    (bench.raw / "p1_image.nii.gz").write_bytes(whole)

    done = medft("prepare", bench.config())

    assert done.code == 0, done.err
    assert len(bench.entries()) == 2


def test_a_split_file_that_disappears_is_not_replaced_by_an_older_cache_entry(medft, bench):
    bench.volume()
    bench.ask_volumes()
    config = bench.config()
    assert medft("prepare", config).code == 0

    refused(medft("prepare", config, f"data.split.file={bench.folder}/gone.json"), CONFIG, "gone.json")


# What the import system sees of a package that is not installed.
WITHOUT = """\
import sys
sys.modules[{package!r}] = None
from medft_bm.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def apart(*words: object, code: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    start = ["-c", code] if code else ["-m", "medft_bm.cli.main"]
    return subprocess.run(
        [sys.executable, *start, *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.parametrize("package", ["datasets", "torch"])
def test_a_missing_package_is_named_with_the_way_to_install_it(bench, tiny, package):
    bench.model = tiny
    bench.ask_phantoms(subjects=2)
    verb = ("evaluate", "--model", "base") if package == "torch" else ("prepare",)

    done = apart(*verb, bench.config(), code=WITHOUT.format(package=package))

    assert done.returncode == PACKAGE, done.stderr
    assert package in done.stderr
    assert 'pip install "medft_bm[train]"' in done.stderr
    assert "Traceback" not in done.stderr
    assert not [name for name in bench.entries() if name.endswith("draft")]


def test_the_installed_command_ends_with_the_same_code_and_message(bench):
    bench.volume()
    bench.ask_volumes()
    truncate(bench.raw / "p1_image.nii.gz")

    done = apart("prepare", bench.config())

    assert done.returncode == DATA
    assert "medft: the NIfTI file is truncated or damaged" in done.stderr
    assert "Traceback" not in done.stderr
