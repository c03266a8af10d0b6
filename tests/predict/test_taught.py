"""Which question a training asked, and the same question about another image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medft_bm.config.schema import Data
from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import ImageRef
from medft_bm.models import load_model_family
from medft_bm.predict.place import Place, Shown, find
from medft_bm.predict.taught import asked_again, lesson, shown_as_taught
from medft_bm.prepare.dataset import prepare_dataset

FRONT, BACK = "anterior hippocampus", "posterior hippocampus"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, repository, real_data):
    options = {
        "images": "imagesTr/hippocampus_0[03]*.nii.gz",
        "masks": "labelsTr/{name}",
        "labels": {1: FRONT, 2: BACK},
        "planes": ["axial", "coronal"],
        "keep_every": 6,
        "modality": "MR",
    }
    part = {"name": "boxes", "task": "detection", "source": "nifti_masks", "source_options": options}
    data = Data.model_validate(
        {
            "root": real_data / "B_msd_hippocampus",
            "cache": tmp_path_factory.mktemp("taught"),
            "mix": [part],
            "split": {"validation": 0, "test": 0.4},
        }
    )
    return prepare_dataset(data, load_model_family(str(repository / "script/demo/base/gemma3")))


@pytest.mark.parametrize("plane", ["axial", "coronal"])
@pytest.mark.parametrize("label", [FRONT, BACK])
def test_the_question_is_that_of_the_label_on_the_same_plane(prepared, label, plane):
    tags = lesson(prepared, "", label, plane).example.tags

    assert (tags["label"], tags["plane"], tags["modality"]) == (label, plane, "MR")


def test_a_plane_that_was_not_trained_on_still_finds_the_question(prepared):
    found = lesson(prepared, "boxes", BACK, "sagittal")

    assert (found.part, found.example.tags["label"]) == ("boxes", BACK)


@pytest.mark.parametrize(("part", "label", "said"), [("box", FRONT, "'boxes'"), ("", "", FRONT), ("", "front", BACK)])
def test_an_unknown_part_or_label_lists_those_there_are(prepared, part, label, said):
    with pytest.raises(ConfigError, match=said):
        lesson(prepared, part, label, "axial")


def test_an_8_bit_picture_is_shown_as_it_is_whatever_the_slices_of_the_training_were_shown_in(prepared, tmp_path):
    taught = lesson(prepared, "", FRONT, "axial")
    pixels = np.arange(600, dtype=np.uint16).reshape(20, 30) % 200 + 20
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "8.png")
    Image.fromarray(pixels).save(tmp_path / "16.png")

    shown, deep = (shown_as_taught(taught, find(tmp_path / name)) for name in ("8.png", "16.png"))
    chosen = shown_as_taught(taught, find(tmp_path / "8.png"), "percentile")

    assert taught.example.image.window == "percentile"
    assert np.array_equal(np.asarray(shown.image)[:, :, 0], pixels)
    assert (shown.ref.window, deep.ref.window, chosen.ref.window) == ("as_is", "percentile", "percentile")
    assert "in the window percentile" in shown.notes[0]
    assert deep.notes == chosen.notes == ()


def test_everything_of_the_new_image_takes_the_place_of_the_old_one(prepared):
    taught = lesson(prepared, "", FRONT, "axial")
    new = Shown(ImageRef("image", 1, 3), Image.new("RGB", (90, 60)), Size(60, 90), Spacing(0.5, 1.5))

    sample = asked_again(taught, Place(None), new, {"modality": "CT"})

    assert (sample.image, sample.size, sample.spacing) == (new.ref, new.size, new.spacing)
    assert sample.tags == {**taught.example.tags, "modality": "CT"}
