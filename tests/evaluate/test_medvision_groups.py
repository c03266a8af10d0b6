"""The published names and groups of labels."""

from __future__ import annotations

from importlib.resources import files

import pytest
import yaml

from medft_bm.evaluate.medvision.groups import is_excluded, is_known, is_lesion, region, shown_label


def tags(label, modality="CT", plane="axial"):
    return {"label": label, "modality": modality, "plane": plane}


def test_the_maps_hold_as_many_labels_groups_and_names_as_were_published():
    data = yaml.safe_load(files("medft_bm.evaluate.medvision").joinpath("groups.yaml").read_text(encoding="utf-8"))
    labels = [label for members in data["groups"].values() for label in members]
    assert len(labels) == len(set(labels)) == 243
    assert len(data["groups"]) == 35
    assert len({data["shown_as"].get(label, label) for label in labels}) == 224
    assert set(data["shown_as"]) <= set(labels)


@pytest.mark.parametrize(
    ("label", "group", "shown"),
    [
        ("inferior vena cava (ivc)", "Vein", "inferior vena cava"),
        ("vestibular schwannoma", "Head-Neck Tumor/Lesion", "vestibular schwannoma"),
        ("Vertebra l5", "Spine", "Vertebra l5"),
        ("surrounding non-enhancing flair hyperintensity of brain", "Brain Tumor/Lesion",
         "non-enhancing flair hyperintensity of brain"),
        ("metastatic lymph node", "Metastatic Lymph Node", "metastatic lymph node"),
        ("tumor", "Miscellaneous Tumor/Lesion", "miscellaneous tumor/lesion"),
        ("gizmo", "Others", "gizmo"),
    ],
)  # fmt: skip
def test_a_label_has_a_group_and_a_name(label, group, shown):
    assert region(tags(label)) == f"{group} @ CT (A)"
    assert shown_label(tags(label)) == f"{shown} @ CT (A)"
    assert is_known(label) == (label != "gizmo")


@pytest.mark.parametrize(
    ("modality", "plane", "row"),
    [
        ("MRI", "coronal", "Heart @ MR (C)"),
        ("ultrasound", "sagittal", "Heart @ US (S)"),
        ("X-ray", "sagittal", "Heart @ XR (S)"),
        ("PET", "axial", "Heart @ PET (A)"),
        ("OCT", "oblique", "Heart @ OCT (oblique)"),
    ],
)
def test_modality_and_plane_are_shortened(modality, plane, row):
    assert region(tags("heart", modality, plane)) == row


def test_words_decide_what_is_a_lesion_and_what_is_left_out():
    assert is_lesion("Lung Tumor/Lesion @ CT (A)")
    assert is_lesion("Metastatic Lymph Node @ MR (A)")
    assert not is_lesion("Lung @ CT (A)")
    assert is_excluded("Miscellaneous Tumor/Lesion @ CT (A)")
    assert is_excluded("Others @ CT (A)")
    assert not is_excluded("Brain @ CT (A)")
