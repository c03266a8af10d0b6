from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medft_bm.core.records import ClassLabel, Landmarks, Region
from medft_bm.imaging.read import read_geometry, read_volume
from medft_bm.imaging.slices import render
from medft_bm.sources.phantom import Phantom
from medft_bm.sources.phantom_images import ENDS, GRADES, LABELS


def records(source, root):
    return [record for unit in source.units(root) for record in source.records_of(root, unit, lambda what, why: None)]


@pytest.mark.parametrize("style", ["anatomy", "shapes"])
@pytest.mark.parametrize("kind", ["volumes", "heads", "textures"])
def test_the_same_options_give_the_same_data_anywhere(kind, style, tmp_path):
    source = Phantom(kind=kind, style=style, subjects=3, images_per_subject=2)
    one, two = records(source, tmp_path / "a"), records(source, tmp_path / "b")
    assert [record.image for record in one] == [record.image for record in two]
    for first, second in zip(one, two, strict=True):
        [left], [right] = render(tmp_path / "a", [first.image]), render(tmp_path / "b", [second.image])
        assert np.array_equal(left, right)


def test_another_seed_is_another_cohort_of_other_people(tmp_path):
    one = records(Phantom(kind="heads", subjects=2, seed=0), tmp_path)
    two = records(Phantom(kind="heads", subjects=2, seed=1), tmp_path)
    assert not {record.subject for record in one} & {record.subject for record in two}
    assert one[0].annotations != two[0].annotations


def test_volumes_are_anisotropic_and_come_in_more_than_one_orientation(tmp_path):
    records(Phantom(kind="volumes", subjects=8), tmp_path)
    geometries = [read_geometry(path) for path in sorted(tmp_path.glob("*/*/image.nii.gz"))]
    assert {geometry.axis_codes for geometry in geometries} == {"RAS", "LPS"}
    assert all(len({round(step, 3) for step in geometry.spacing_ijk}) == 3 for geometry in geometries)


def test_bodies_have_the_density_they_were_drawn_with(tmp_path):
    records(Phantom(kind="volumes", subjects=3), tmp_path)
    for mask_path in tmp_path.glob("*/*/mask.nii.gz"):
        mask, image = read_volume(mask_path).array, read_volume(mask_path.with_name("image.nii.gz")).array
        density = {value: image[mask == value].mean() for value in LABELS["anatomy"] if (mask == value).any()}
        ordered = sorted(density, key=density.__getitem__)
        assert ordered == [value for value in (3, 1, 2) if value in density]  # lesion < liver < kidney


def test_the_ends_of_a_head_lie_on_its_outline_and_its_axes_are_perpendicular_in_mm(tmp_path):
    front, back, left, right = ENDS["anatomy"]
    for record in records(Phantom(kind="heads", subjects=4), tmp_path):
        [marks] = record.annotations
        assert isinstance(marks, Landmarks)
        [image] = render(tmp_path, [record.image])
        bright = np.percentile(image, 90)
        on_outline = []
        for y, x in marks.points.values():
            row, column = (int(np.clip(v, 0, n - 1)) for v, n in zip((y, x), image.shape, strict=True))
            on_outline.append(image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].max() >= bright)
        assert np.mean(on_outline) >= 0.75
        if len(marks.points) == 4:
            scale = np.array([record.spacing.y, record.spacing.x])
            long_axis = (np.array(marks.points[front]) - marks.points[back]) * scale
            short_axis = (np.array(marks.points[left]) - marks.points[right]) * scale
            assert np.linalg.norm(long_axis) > np.linalg.norm(short_axis)
            assert abs(long_axis @ short_axis) < 1e-6 * np.linalg.norm(long_axis) ** 2


def test_textures_come_in_every_class(tmp_path):
    found = records(Phantom(kind="textures", subjects=20, images_per_subject=3), tmp_path)
    labels = [record.annotations[0] for record in found]
    assert all(isinstance(label, ClassLabel) for label in labels)
    assert {label.classes[label.class_id] for label in labels} == set(GRADES)


def test_regions_of_one_slice_have_the_names_of_the_style(tmp_path):
    seen = {
        region.label
        for record in records(Phantom(kind="volumes", style="shapes", subjects=12), tmp_path)
        for region in record.annotations
        if isinstance(region, Region)
    }
    assert seen == set(LABELS["shapes"].values())


def test_a_half_written_cohort_is_made_again(tmp_path):
    source = Phantom(kind="textures", subjects=2)
    draft = tmp_path / f".{source._folder()}.draft"
    draft.mkdir(parents=True)
    (draft / "rubbish").write_text("")
    assert records(source, tmp_path)
    assert not draft.exists()


def test_tiles_are_pictures_without_spacing(tmp_path):
    [record, *_] = records(Phantom(kind="textures", subjects=1), tmp_path)
    assert record.spacing is None
    with Image.open(tmp_path / record.image.path) as tile:
        assert tile.size == (record.size.w, record.size.h)
