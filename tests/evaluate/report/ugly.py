"""Prepared data and evaluations that no page likes: hostile names, many classes, few patients, no pixel size."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from medft_bm.config.schema import Config
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.run import Evaluation
from medft_bm.evaluate.score import score_replies
from medft_bm.models import load_model_family
from medft_bm.prepare.dataset import Prepared, prepare_dataset

SCRIPT = '<script>alert("x")</script>'
CLASSES = [f'{SCRIPT} class {k:02d} "&amp;" {"with a very long name " * (k % 3)}'.strip() for k in range(45)]
PART = f"{SCRIPT} part of a very long name"
ABOUT = {"dtype": "float32", "device": "cpu", "split": "test", "seconds": 1.0, "model": "0"}


def ugly(folder: Path, checkpoint: Path, subjects: int = 1) -> tuple[Config, Prepared]:
    """90 tiny pictures of 45 classes, the tested ones of so many subjects."""
    rng = np.random.default_rng(7)
    raw = folder / "raw"
    raw.mkdir()
    with (raw / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "who", "set"])
        for k in range(90):
            Image.fromarray(rng.integers(0, 255, (9, 14, 3), np.uint8)).save(raw / f"{k}.png")
            split, who = ("test", f"t{k // 2 % subjects}") if k % 2 else ("train", f"p{k}")
            rows.writerow([f"{k}.png", CLASSES[k // 2], who, split])
    options = {"table": "labels.csv", "subject_column": "who", "split_column": "set"}
    part = {"name": PART, "task": "classification", "source": "image_folder", "source_options": options}
    data = {"root": raw, "cache": folder / "cache", "mix": [part]}
    config = Config.model_validate({"model": {"name": str(checkpoint)}, "data": data, "evaluate": {"bootstrap": 100}})
    return config, prepare_dataset(config.data, load_model_family(str(checkpoint)))


def answered(prepared: Prepared, texts: list[str]) -> Evaluation:
    """An evaluation in which the replies go round."""
    items = list(prepared.items("test"))
    replies = [Reply(item.uid, texts[k % len(texts)], 3, k % 4 > 0) for k, item in enumerate(items)]
    return Evaluation(score_replies(items, replies), ABOUT | {"data": prepared.folder.name})
