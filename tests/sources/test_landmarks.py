from __future__ import annotations

import json
import locale

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size, Spacing, angle_deg, length_mm
from medft_bm.imaging.slices import render

HC18 = {
    "file": "landmarks_derived.json",
    "images": "images",
    "image_field": "filename",
    "points_field": "landmarks_px",
    "point_origin": "centre",
    "pixel_size_field": "pixel_size_mm",
    "subject_field": "group",
    "distances": [["major_1", "major_2"], ["minor_1", "minor_2"]],
    "angles": [[["major_1", "major_2"], ["minor_1", "minor_2"]]],
}


@pytest.fixture
def listed(tmp_path):
    Image.new("L", (60, 40)).save(tmp_path / "a.png")
    Image.new("L", (50, 30)).save(tmp_path / "b.png")

    def write(*entries: dict, name: str = "points.json"):
        (tmp_path / name).write_text(json.dumps(entries))
        return tmp_path

    return write


ONE = {"image": "a.png", "who": 7, "mm": [0.7, 2.5], "points": {"top": [10, 4], "low": [10, 30], "far": [55, 4]}}
OPTIONS = {"file": "points.json", "distances": [["top", "low"], ["top", "far"]]}


def middle_of_ellipse(y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Where the gradient of the conic through the points vanishes."""
    shift, scale = (y.mean(), x.mean()), x.std()
    v, u = (y - shift[0]) / scale, (x - shift[1]) / scale
    a, b, c, d, e = np.linalg.lstsq(np.stack([u * u, u * v, v * v, u, v], axis=1), np.ones(len(u)))[0]
    middle = np.linalg.solve([[2 * a, b], [b, 2 * c]], [-d, -e])
    return float(middle[1] * scale + shift[0]), float(middle[0] * scale + shift[1])


def test_real_axes_have_their_published_lengths_and_stand_upright_on_each_other(read, real_data):
    root = real_data / "C_hc18"
    entries = {f"images/{e['filename']}": e for e in json.loads((root / "landmarks_derived.json").read_text())}
    records = read("landmarks", root, **HC18)
    assert [record.image.path for record in records] == list(entries)
    assert len(records) == 30
    assert len({record.subject for record in records}) == 22
    for record in records:
        entry, (marks,) = entries[record.image.path], record.annotations
        for name in ("major", "minor"):
            said = length_mm([marks.points[f"{name}_1"], marks.points[f"{name}_2"]], record.spacing)
            assert said == pytest.approx(entry[f"{name}_axis_mm"], abs=0.02)
        lines = [[marks.points[name] for name in pair] for pair in marks.angles[0]]
        assert angle_deg(*lines, record.spacing) == pytest.approx(90, abs=0.1)
        assert record.spacing == Spacing(entry["pixel_size_mm"], entry["pixel_size_mm"])
        assert record.subject == entry["group"]
        assert record.size == Size(540, 800)


def test_real_points_count_from_pixel_centres_as_the_drawn_outlines_show(read, real_data):
    # The outline's pixels, each taken at its centre (index + 0.5 from the corner), fit an ellipse; its middle must be
    # the given point. With the corner convention every point would be half a pixel off in both directions.
    for record in read("landmarks", real_data / "C_hc18", **HC18)[::6]:
        drawn = real_data / "C_hc18/annotations" / record.image.path[7:].replace(".png", "_Annotation.png")
        y, x = np.nonzero(np.asarray(Image.open(drawn).convert("L")))
        assert record.annotations[0].points["centre"] == pytest.approx(middle_of_ellipse(y + 0.5, x + 0.5), abs=0.02)


def test_a_point_lies_in_the_same_place_whichever_way_it_is_written(read, listed):
    expected = {"top": (4.5, 10.5), "low": (30.5, 10.5), "far": (4.5, 55.5)}
    swapped = {**ONE, "points": {name: pair[::-1] for name, pair in ONE["points"].items()}}
    from_corner = {**ONE, "points": {name: [x + 0.5, y + 0.5] for name, (x, y) in ONE["points"].items()}}
    for entry, extra in ((ONE, {}), (swapped, {"point_order": "yx"}), (from_corner, {"point_origin": "corner"})):
        (record,) = read("landmarks", listed(entry), **OPTIONS, **extra)
        assert record.annotations[0].points == expected


def test_a_csv_file_says_the_same_as_json(read, listed):
    root = listed(ONE)
    (root / "points.csv").write_text("image,who,mm,top_x,top_y,low_x,low_y,far_x,far_y\na.png,7,0.7,10,4,10,30,55,4\n")
    shared = {"distances": OPTIONS["distances"], "subject_field": "who"}
    (by_json,) = read("landmarks", root, file="points.json", **shared)
    (by_csv,) = read("landmarks", root, file="points.csv", pixel_size_field="mm", **shared)
    assert by_csv.annotations == by_json.annotations
    assert (by_csv.subject, by_json.subject) == ("7", "7")
    assert by_csv.spacing == Spacing(0.7, 0.7)


def test_spacing_is_the_fields_the_options_or_unknown(read, listed):
    root = listed(ONE)
    assert read("landmarks", root, **OPTIONS)[0].spacing is None
    assert read("landmarks", root, **OPTIONS, pixel_size_mm=[0.7, 2.5])[0].spacing == Spacing(y=0.7, x=2.5)
    (record,) = read("landmarks", root, **OPTIONS, pixel_size_field="mm")
    points = record.annotations[0].points
    assert length_mm([points["top"], points["low"]], record.spacing) == pytest.approx(26 * 0.7)
    assert length_mm([points["top"], points["far"]], record.spacing) == pytest.approx(45 * 2.5)


@pytest.mark.parametrize("size", [0, -1, float("nan"), "wide", [0.7], None])
def test_an_impossible_pixel_size_is_refused_with_its_entry(read, listed, size):
    with pytest.raises(DataError) as caught:
        read("landmarks", listed({**ONE, "mm": size}), **OPTIONS, pixel_size_field="mm")
    assert caught.value.where.endswith("entry a.png")


def test_points_can_be_given_better_names(read, listed):
    (record,) = read("landmarks", listed(ONE), **OPTIONS, names={"top": "upper edge"})
    assert record.annotations[0].distances == (("upper edge", "low"), ("upper edge", "far"))
    assert "top" not in record.annotations[0].points


def test_a_measurement_to_a_missing_or_outside_point_is_left_out_with_a_reason(read, listed):
    entry = {**ONE, "points": {"top": [10, 4], "low": None, "far": [59.6, 4]}}
    assert read("landmarks", listed(entry), **OPTIONS) == []
    assert read.skipped == [("a.png", "2 measurement(s) with a point that is missing or outside the picture")]
    entry["points"]["far"] = [59.5, 4]  # the outer edge of the last pixel is still the picture
    (record,) = read("landmarks", listed(entry), **OPTIONS)
    assert record.annotations[0].distances == (("top", "far"),)


def test_a_name_that_no_entry_has_suggests_the_nearest(read, listed):
    with pytest.raises(ConfigError, match="no entry has a point 'tops'; did you mean 'top'"):
        read("landmarks", listed(ONE), file="points.json", distances=[["tops", "low"]])


def test_broken_lists_are_refused(read, listed, tmp_path):
    with pytest.raises(DataError, match="listed twice"):
        read("landmarks", listed(ONE, ONE), **OPTIONS)
    with pytest.raises(DataError, match="no file name in the field 'image'"):
        read("landmarks", listed({"picture": "a.png"}), **OPTIONS)
    with pytest.raises(DataError, match="two finite numbers"):
        read("landmarks", listed({**ONE, "points": {**ONE["points"], "low": [1, "?"]}}), **OPTIONS)
    with pytest.raises(DataError, match="the picture does not exist"):
        read("landmarks", listed({**ONE, "image": "c.png"}), **OPTIONS)
    with pytest.raises(DataError, match="non-empty list"):
        read("landmarks", listed(), **OPTIONS)
    with pytest.raises(DataError, match="path"):
        read("landmarks", listed({**ONE, "image": "../a.png"}), **OPTIONS)
    (tmp_path / "points.json").write_text("[{")
    with pytest.raises(DataError, match="cannot be read"):
        read("landmarks", tmp_path, **OPTIONS)
    with pytest.raises(DataError, match="does not exist"):
        read("landmarks", tmp_path, **{**OPTIONS, "file": "no.json"})


@pytest.mark.parametrize(
    "options",
    [
        {"file": "a.json"},
        {**OPTIONS, "pixel_size_field": "mm", "pixel_size_mm": 1.0},
        {**OPTIONS, "subject_field": "who", "subject": "(a)"},
        {**OPTIONS, "point_origin": "edge"},
        {**OPTIONS, "point_space": "scanner"},
        {**OPTIONS, "planes": []},
        {**OPTIONS, "plane_field": "plane"},
        {**OPTIONS, "slice_field": "slice", "planes": ["axial", "coronal"]},
        {**OPTIONS, "tag_fields": {"plane": "site"}},
    ],
)
def test_options_that_contradict_each_other_are_config_errors(read, listed, options):
    with pytest.raises(ConfigError):
        read("landmarks", listed(ONE), **options)


def test_tags_are_read_from_fields(read, listed):
    (record,) = read("landmarks", listed(ONE), **OPTIONS, tag_fields={"site": "who"}, modality="photo")
    assert record.tags == {"site": "7", "modality": "photo"}
    with pytest.raises(DataError, match="no field 'whom'; did you mean 'who'"):
        read("landmarks", listed(ONE), **OPTIONS, tag_fields={"site": "whom"})


def test_an_x_ray_takes_its_pixel_size_from_its_header(read, listed, tmp_path):
    kept = locale.setlocale(locale.LC_ALL)
    image = SimpleITK.GetImageFromArray(np.arange(1200, dtype=np.uint16).reshape(30, 40))
    image.SetMetaData("0008|0060", "DX")
    image.SetMetaData("0028|0030", "0.31\\0.17")
    SimpleITK.WriteImage(image, str(tmp_path / "hand.dcm"))
    locale.setlocale(locale.LC_ALL, kept)  # writing DICOM leaves the process in the locale C
    entry = {"image": "hand.dcm", "points": {"top": [3, 4], "low": [3, 24]}}
    options = {"file": "points.json", "distances": [["top", "low"]], "window": "min_max"}
    (record,) = read("landmarks", listed(entry), **options)
    assert (record.size, record.spacing) == (Size(30, 40), Spacing(y=0.31, x=0.17))
    points = record.annotations[0].points
    assert length_mm([points["top"], points["low"]], record.spacing) == pytest.approx(20 * 0.31)
    assert next(render(tmp_path, [record.image])).shape == (30, 40)
    (record,) = read("landmarks", listed(entry), **options, pixel_size_mm=0.5)
    assert record.spacing == Spacing(0.5, 0.5)
