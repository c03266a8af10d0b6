"""How fast training is fed: images per second that reach the model, ours beside TRL on the original files.

python benchmarks/feed.py
python benchmarks/feed.py --family qwen2_5_vl --workers 2 --rounds 5
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import cases
from rounds import cpu_s
from volumes import Dataset, make, questions, volume_path

from medft_bm.cli.common import table

PIXELS = {"gemma3": 896, "qwen2_5_vl": 1008}
"""Side of the square that bounds what a model sees of an image, as in the published checkpoints (Qwen2.5-VL: 1 MP)."""
BATCH = 4
TARGET = 3
PROMPT = "The image is 896 x 896 pixels. Find the liver. Answer with its bounding box as [x1, y1, x2, y2] only."
ANSWER = "[0.125, 0.250, 0.500, 0.750]"


@dataclass(frozen=True)
class Feed:
    """The same slices for every way.

    Attributes:
        dataset: volumes, and how many questions about each.
        folder: of the volumes and of everything that is made from them.
        checkpoint: tiny, with the image processor of a published one.
        workers: processes of every data loader; 0 loads in the process that trains.
    """

    dataset: Dataset
    folder: Path
    checkpoint: Path
    workers: int

    def arguments(self) -> Any:
        """TRL's settings, the same for every way."""
        from trl import SFTConfig

        return SFTConfig(
            output_dir=str(self.folder / "unused"),
            per_device_train_batch_size=BATCH,
            dataloader_num_workers=self.workers,
            max_length=None,
            remove_unused_columns=False,
            use_cpu=True,
            bf16=False,
            report_to="none",
        )

    def theirs(self, read: Callable[[str, int], Any]) -> Any:
        """TRL's trainer with its own collator over files that are read when they are asked for."""
        import datasets
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from trl import SFTTrainer

        def rows(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
            places = zip(batch["volume"], batch["index"], strict=True)
            return {
                "images": [[read(volume, index)] for volume, index in places],
                "prompt": [[{"role": "user", "content": PROMPT}]] * len(batch["index"]),
                "completion": [[{"role": "assistant", "content": ANSWER}]] * len(batch["index"]),
            }

        places = [(str(path), index) for path, index in self.places()]
        volumes, indices = zip(*places, strict=True)
        table = datasets.Dataset.from_dict({"volume": list(volumes), "index": list(indices)})
        trainer = SFTTrainer(
            model=AutoModelForImageTextToText.from_pretrained(self.checkpoint),
            args=self.arguments(),
            train_dataset=table.with_transform(rows),
            processing_class=AutoProcessor.from_pretrained(self.checkpoint),
        )
        return trainer.get_train_dataloader()

    def ours(self) -> Any:
        """What ``medft train`` feeds the same model with, from a prepared dataset."""
        from medft_bm.config.schema import Config
        from medft_bm.models import load_model_family
        from medft_bm.prepare.dataset import prepare_dataset
        from medft_bm.train.run import make_trainer
        from medft_bm.train.settings import sft_config

        speed = replace(cases.SPEEDS["ct40"], dataset=self.dataset)
        data = cases.data(speed, ["boxes"], str(self.folder / "data"), str(self.folder / "cache"))
        config = Config.model_validate(
            {
                "data": {**data, "split": {"validation": 0, "test": 0}},
                "model": {"name": str(self.checkpoint)},
                "train": {"device_batch": BATCH, "workers": self.workers, "report_to": "none"},
                "run": {"folder": str(self.folder / "run")},
            }
        )
        family = load_model_family(str(self.checkpoint))
        prepared = prepare_dataset(config.data, family)
        loaded = family.load(str(self.checkpoint), revision=None, dtype="float32", attention="sdpa")
        return make_trainer(prepared, family, config, loaded, sft_config(config, validate=False)).get_train_dataloader()

    def places(self) -> list[tuple[Path, int]]:
        """Volume and slice of every image, in an order that visits no volume twice in a row."""
        kind = self.dataset.kind
        found = [
            (volume_path(self.folder, kind, number), k)
            for number in range(kind.count)
            for k in questions(self.dataset, number)
        ]
        random.Random(0).shuffle(found)
        return found


def from_volume(volume: str, index: int) -> Any:
    """One slice of a compressed volume, decoded whole as NiBabel does."""
    from naive import READERS, grey
    from PIL import Image

    return Image.fromarray(grey(READERS["nibabel"](Path(volume))[:, :, index])).convert("RGB")


def from_picture(volume: str, index: int) -> Any:
    """The same slice as a PNG beside its volume, which somebody has written before."""
    from PIL import Image

    return Image.open(picture_path(volume, index)).convert("RGB")


def picture_path(volume: str, index: int) -> Path:
    """Where the picture of a slice is."""
    return Path(f"{volume}.{index}.png")


def write_pictures(places: Sequence[tuple[Path, int]]) -> None:
    """What somebody has done before: every slice as a picture, each volume decoded once."""
    from naive import READERS, grey
    from PIL import Image

    for path in sorted({path for path, _ in places}):
        values = READERS["nibabel"](path)
        for index in (index for other, index in places if other == path):
            Image.fromarray(grey(values[:, :, index])).save(picture_path(str(path), index))


def images_per_s(loader: Any, images: int) -> tuple[float, float]:
    """Images per second of wall and of CPU, the first batch and the start of workers left out."""
    batches = iter(loader)
    next(batches)
    count = max(1, images // BATCH)
    cpu, wall = cpu_s(), time.perf_counter()
    for _ in islice(batches, count):
        pass
    wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
    return count * BATCH / wall, count * BATCH / cpu


def measure(feed: Feed, rounds: int, images: int) -> Iterator[dict[str, Any]]:
    """Every way in turn, round by round."""
    write_pictures(feed.places())
    ways = {
        "TRL on volumes": (feed.theirs(from_volume), min(images, 16)),
        "TRL on pictures": (feed.theirs(from_picture), images),
        "medft": (feed.ours(), images),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, (loader, count) in ways.items():
            found[name].append(images_per_s(loader, count))
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    for name, speeds in found.items():
        yield {
            "way": name,
            "images/s": _digits(median(wall for wall, _ in speeds)),
            "images per CPU s": _digits(median(cpu for _, cpu in speeds)),
            "medft is faster by": _digits(median(_ratios(found["medft"], speeds))),
            "target": TARGET if name == "TRL on volumes" else "",
        }


def _ratios(ours: Sequence[tuple[float, float]], theirs: Sequence[tuple[float, float]]) -> list[float]:
    return [mine[0] / other[0] for mine, other in zip(ours, theirs, strict=True)]


def _digits(value: float) -> float:
    return float(f"{value:.3g}")


def main() -> None:
    """Make volumes and checkpoint, measure, print."""
    import torch

    from medft_bm.models.tiny import build_tiny

    words = arguments()
    torch.set_num_threads(1)
    kind = replace(cases.CT, count=4, shape=(48, 40, 30)) if words.quick else replace(cases.CT, count=4)
    dataset = Dataset("FEED", kind, 20 if words.quick else 40)
    with tempfile.TemporaryDirectory(dir=_folder(words.folder)) as folder:
        make(Path(folder), [dataset], processes=2)
        checkpoint = Path(folder) / "checkpoint"
        side = 56 if words.quick else PIXELS[words.family]
        build_tiny(
            words.family, checkpoint, [PROMPT, ANSWER], seed=0, image_px=side, patch=14, hidden=64, layers=(1, 1)
        )
        feed = Feed(dataset, Path(folder), checkpoint, words.workers)
        print(table(list(measure(feed, words.rounds, 4 * BATCH if words.quick else words.images))))


def _folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def arguments() -> argparse.Namespace:
    """The command line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--family", choices=sorted(PIXELS), default="gemma3", help="whose image processor is used")
    words.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts")
    words.add_argument("--images", type=int, default=64, help="images per way and round")
    words.add_argument("--workers", type=int, default=0, help="data loader processes of every way")
    words.add_argument("--folder", type=Path, default=Path("cache/benchmarks"), help="where volumes are put meanwhile")
    words.add_argument("--quick", action="store_true", help="tiny volumes: whether it runs, no numbers")
    return words.parse_args()


if __name__ == "__main__":  # worker processes import this file again
    main()
