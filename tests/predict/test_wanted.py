"""A question in a user's words is the question of training, and a reply is read without a truth."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Box, PixelMap, Size, Spacing
from medft_bm.core.records import AxesLabel, BoxLabel, ClassLabel, Landmarks, Record
from medft_bm.core.types import ImageRef, View
from medft_bm.core.volume import VolumeGeometry
from medft_bm.predict.answer import read_answer
from medft_bm.predict.place import Place, Shown
from medft_bm.predict.wanted import Wanted, asked
from medft_bm.tasks import load_task

SIZE, SPACING, SEEN = Size(60, 90), Spacing(0.5, 1.5), Size(30, 40)
SHOWN = Shown(ImageRef("image"), Image.new("RGB", (SIZE.w, SIZE.h)), SIZE, SPACING)
MAP = PixelMap.stretch(SIZE, SEEN)
VIEW = View(SEEN, MAP.spacing(SPACING), MAP, 4)
TAGS = {"modality": "CT", "anatomy": "abdomen"}
PICTURE = Place(None)
POINTS = {"heel": (3.0, 4.0), "toe": (20.0, 9.0), "hip": (8.0, 60.0)}
TWO_LINES = (("heel", "toe"), ("heel", "hip"))
QUESTIONS = [
    (Wanted("detection", label="liver", tags=TAGS), BoxLabel("liver", Box(3, 4, 20, 30))),
    (Wanted("detection", {"origin": "lower_left"}, "liver", tags=TAGS), BoxLabel("liver", Box(3, 4, 20, 30))),
    (Wanted("lesion_size", label="tumour", tags=TAGS), AxesLabel("tumour", 12.0, 7.0)),
    (Wanted("classification", classes=("benign", "malignant"), tags=TAGS), ClassLabel(1, ("benign", "malignant"))),
    (Wanted("angle_distance", points=("heel", "toe"), tags=TAGS), Landmarks(POINTS, TWO_LINES[:1])),
    (
        Wanted("angle_distance", {"directed": "true"}, points=("heel", "toe", "heel", "hip"), tags=TAGS),
        Landmarks(POINTS, (), (TWO_LINES,)),
    ),
]


@pytest.mark.parametrize(("wanted", "annotation"), QUESTIONS)
def test_the_question_is_byte_for_byte_that_of_training(wanted, annotation):
    options = {"measure": "angle"} if len(wanted.points) == 4 else {}
    task = load_task(wanted.task, {**wanted.options, **options})
    record = Record("p", ImageRef("a.png"), SIZE, SPACING, (annotation,), {**TAGS, "plane": "axial"})
    (trained,) = task.samples(record, "source", pytest.fail)

    mine, sample = asked(wanted, SHOWN, "axial")

    assert mine == task
    assert mine.prompt(sample, VIEW) == task.prompt(trained, VIEW)


def answer(wanted: Wanted, reply: str, place: Place = PICTURE):
    task, sample = asked(wanted, SHOWN, "")
    return read_answer(task, sample, VIEW, place, reply)


def test_lengths_and_angles_are_read_with_their_unit():
    size = answer(Wanted("lesion_size", label="tumour"), "12.1 mm x 23.4 mm")
    assert size.words == "major axis 23.4 mm, minor axis 12.1 mm"
    assert size.as_json() == {"unit": "mm", "major axis": 23.4, "minor axis": 12.1}
    assert answer(Wanted("angle_distance", points=("heel", "toe")), "1.2 cm").words == "distance 12.0 mm"
    four = ("heel", "toe", "heel", "hip")
    assert answer(Wanted("angle_distance", points=four), "30 degrees").words == "angle 30.0 degree"


def test_a_box_is_given_in_pixels_and_mm_of_the_image_and_in_the_patient():
    affine = np.diag([1.5, 0.5, 4.0, 1.0])  # RAS: the displayed axial slice is flipped both ways
    place = Place(None, VolumeGeometry((SIZE.w, SIZE.h, 9), affine), 2, 5)

    box = answer(Wanted("detection", label="liver"), "[0.1, 0.2, 0.5, 0.4]", place)

    assert vars(box.box) == pytest.approx({"y0": 12, "x0": 9, "y1": 24, "x1": 45})
    assert box.words == "box 54.0 x 6.0 mm (width x height), x 9.0 to 45.0, y 12.0 to 24.0 px"
    # Corner (y 12, x 9) is 90 - 9 - 0.5 voxels from the right in i, and 60 - 12 - 0.5 from the front in j.
    assert box.as_json()["corners_ras_mm"][0] == pytest.approx((80.5 * 1.5, 47.5 * 0.5, 20.0))


def test_a_class_is_read_by_name_and_no_answer_says_why():
    wanted = Wanted("classification", classes=("benign", "malignant"))
    assert answer(wanted, "It is Malignant.").as_json() == {"class": "malignant"}
    none = answer(wanted, "I cannot tell.")
    assert none.as_json() is None
    assert none.words.startswith("no answer could be read: ")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted("detection"), "--label"),
        (Wanted("classification", classes=("a", "a")), "two classes"),
        (Wanted("angle_distance", points=("a", "b", "c")), "3 landmark"),
        (Wanted("angle_distance", points=("a", "a")), "from 'a' to itself"),
        (Wanted("angle_distance", {"measure": "distance"}, points=(*"abcd",)), "4 landmarks make no distance"),
        (Wanted("angle_distance", {"measure": "angle"}, points=("a", "b")), "2 landmarks make no angle"),
        (Wanted("detection", label="a", classes=("a", "b")), "no use for --classes"),
        (Wanted("classification", label="a", classes=("a", "b")), "no use for --label"),
        (Wanted("detektion", label="a"), "did you mean 'detection'"),
        (Wanted("detection", {"orign": "top_left"}, "a"), "did you mean 'origin'"),
        (Wanted("detection", {"preset": "medvision-v1.0.0"}, "a"), "preset"),
    ],
)
def test_a_question_that_lacks_something_says_what(wanted, said):
    with pytest.raises(ConfigError) as error:
        asked(wanted, SHOWN, "")
    assert said in str(error.value)


def test_mm_are_not_asked_for_where_the_pixel_size_is_unknown():
    unknown = Shown(SHOWN.ref, SHOWN.image, SIZE, None)
    with pytest.raises(DataError, match="does not state its pixel size") as error:
        asked(Wanted("lesion_size", label="tumour"), unknown, "")
    assert "--spacing" in str(error.value)
    task, sample = asked(Wanted("detection", label="liver"), unknown, "")
    assert "[x1, y1, x2, y2]" in task.prompt(sample, VIEW)
