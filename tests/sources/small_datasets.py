"""Small datasets of the package `datasets`, made on the spot."""

from __future__ import annotations

import io
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

datasets.disable_progress_bars()
GRADES = ("low grade", "high grade")


def picture(number: int, kind: str = "PNG") -> bytes:
    """A picture of 7 rows and 11 columns that no other number gives."""
    pixels = np.random.default_rng(number).integers(0, 256, (7, 11), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def rows(count: int, first: int = 0) -> list[dict[str, object]]:
    """Rows whose pictures are bytes that came from files named after patients."""
    return [
        {
            "image": {"bytes": picture(first + n), "path": f"doe_jane_{n // 2}.png"},
            "label": n % 2,
            "patient": f"jane doe {first + n // 2}",
        }
        for n in range(count)
    ]


FEATURES = datasets.Features(
    image=datasets.Image(), label=datasets.ClassLabel(names=list(GRADES)), patient=datasets.Value("string")
)


def table(count: int, first: int = 0) -> datasets.Dataset:
    """The rows with a numbered class."""
    return datasets.Dataset.from_list(rows(count, first), features=FEATURES)


def image_folder(root: Path) -> None:
    """Two splits of pictures in folders, with a list each."""
    for split, numbers in (("train", (0, 1)), ("test", (2,))):
        (root / split).mkdir(parents=True)
        lines = [f"{n}.png,{GRADES[n % 2]},hospital {n}\n" for n in numbers]
        (root / split / "metadata.csv").write_text("file_name,grade,site\n" + "".join(lines))
        for n in numbers:
            (root / split / f"{n}.png").write_bytes(picture(n))
