"""What MedVision's published tables call a label, and which rows they count it under."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml

UNKNOWN = "Others"
"""Group of labels that the published map does not hold; the published code stops there."""

_EXCLUDED = ("miscellaneous", "others")
_LESION = ("tumor", "lesion", "metastatic")
_MODALITIES = {"MRI": "MR", "ultrasound": "US", "X-ray": "XR"}
_PLANES = {"sagittal": "S", "coronal": "C", "axial": "A"}


def region(tags: Mapping[str, str]) -> str:
    """Row of the detection table: ``Liver Tumor/Lesion @ CT (A)``.

    Args:
        tags: of a sample: label, modality, plane.
    """
    return _row(_groups().get(tags["label"].casefold(), UNKNOWN), tags)


def shown_label(tags: Mapping[str, str]) -> str:
    """Row of the lesion size table: ``liver tumor @ CT (A)``."""
    label = tags["label"]
    return _row(_names().get(label.casefold(), label), tags)


def is_known(label: str) -> bool:
    """Whether the published map holds the label."""
    return label.casefold() in _groups()


def is_excluded(row: str) -> bool:
    """Whether the published detection means leave the region out."""
    return any(word in row.casefold() for word in _EXCLUDED)


def is_lesion(row: str) -> bool:
    """Whether the region counts as tumor or lesion, and not as anatomy."""
    return any(word in row.casefold() for word in _LESION)


def _row(name: str, tags: Mapping[str, str]) -> str:
    modality = tags.get("modality", "unknown")
    plane = tags.get("plane", "unknown")
    return f"{name} @ {_MODALITIES.get(modality, modality)} ({_PLANES.get(plane, plane)})"


@cache
def _read() -> dict[str, dict[str, list[str]] | dict[str, str]]:
    text = files(__package__ or __name__).joinpath("groups.yaml").read_text(encoding="utf-8")
    read: dict[str, dict[str, list[str]] | dict[str, str]] = yaml.safe_load(text)
    return read


@cache
def _groups() -> dict[str, str]:
    return {label.casefold(): group for group, labels in _read()["groups"].items() for label in labels}


@cache
def _names() -> dict[str, str]:
    return {label.casefold(): str(name) for label, name in _read()["shown_as"].items()}
