"""What it costs to score: microseconds per reply to read its row, to score it, and to summarise with intervals.

python benchmarks/scoring.py
python benchmarks/scoring.py --count 1000000 --per-patient 20
python benchmarks/scoring.py --prose 1

Nine of ten replies are in the form that was asked for, as of a fine-tuned model; the others are prose (``--prose``).
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from medft_bm.cli.common import table
from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.memory import no_garbage_search
from medft_bm.core.types import ImageRef, Sample, View, stable_uid
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.score import score_replies, summarise
from medft_bm.prepare.codec import dump_sample, dump_view
from medft_bm.prepare.dataset import Item, Items, PartInfo
from medft_bm.prepare.entries import from_line, to_line
from medft_bm.tasks import load_task

T = TypeVar("T")

TARGET_S = 60
"""To score and summarise a million replies on two cores; their rows were read when they were asked about."""
TASKS = ("classification", "detection", "lesion_size", "angle_distance")
CLASSES = ["benign", "malignant", "normal", "uncertain"]
SIZES = [Size(512, 512), Size(240, 224), Size(630, 560)]
SPACINGS = [Spacing(0.7, 0.8), Spacing(1.0, 1.2), Spacing(0.5, 0.4)]
SEEN = Size(896, 896)
PROSE = (
    "The image shows that it is {}.",
    "**Final answer:** {}",
    "Based on the image, it is approximately {}, measured along its longest extent.",
    "I cannot determine this from a single image. Please consult a radiologist.",
)
"""Around an answer, or instead of it."""


def main() -> None:
    """Print the cost of each step."""
    args = _arguments()
    print(f"{args.count:,} questions of {len(TASKS)} tasks, {args.per_patient} a patient, {args.draws} draws")
    items = make_items(args.count, args.per_patient)
    with no_garbage_search():  # as an evaluation reads them
        decoded, read_s = timed(lambda: list(items))
    replies = make_replies(decoded, args.prose)
    scored, score_s = timed(lambda: score_replies(decoded, replies))
    _, summary_s = timed(lambda: summarise(scored, resamples=args.draws, seed=0))
    costs = {"read rows": read_s, "score": score_s, "summarise": summary_s}
    costs["all"] = Cost(*map(sum, zip(*((cost.wall_s, cost.cpu_s) for cost in costs.values()), strict=True)))
    rows = [
        {"step": step, "s": round(cost.wall_s, 1), "CPU s": round(cost.cpu_s, 1),
         "CPU µs per reply": round(1e6 * cost.cpu_s / args.count, 1)}
        for step, cost in costs.items()
    ]  # fmt: skip
    print(table(rows))
    million_s = 1e6 / args.count * (costs["score"].wall_s + costs["summarise"].wall_s)
    print(f"score and summarise: {million_s:.0f} s per million; target on two cores: {TARGET_S} s")
    if args.json:
        args.json.write_text(json.dumps({step: asdict(cost) for step, cost in costs.items()}) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of this process on all its processors."""

    wall_s: float
    cpu_s: float


def timed(work: Callable[[], T]) -> tuple[T, Cost]:
    """What a call returns, and what it cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Cost(time.perf_counter() - wall, time.process_time() - cpu)


def make_replies(items: list[Item], prose: float) -> list[Reply]:
    """Answers to another question of the same task, so that most are wrong; a share of them in prose."""
    rng = random.Random(1)
    others = (items[(place + 7 * len(TASKS)) % len(items)].answer_text for place in range(len(items)))
    forms = (rng.choice(PROSE) if rng.random() < prose else "{}" for _ in items)
    return [Reply(item.uid, form.format(other), 8, True)
            for item, form, other in zip(items, forms, others, strict=True)]  # fmt: skip


def make_items(count: int, per_patient: int) -> Items:
    """Questions as a prepared dataset holds them, in memory, without images."""
    from datasets import Dataset

    rng = random.Random(0)
    parts = [PartInfo(name, load_task(name, {}), "made") for name in TASKS]
    rows = [_row(place, parts[place % len(parts)], place % len(parts), per_patient, rng) for place in range(count)]
    return Items(Dataset.from_list(rows), Dataset.from_dict({"image": []}), parts)


def _row(place: int, info: PartInfo, part: int, per_patient: int, rng: random.Random) -> dict[str, Any]:
    kind = rng.randrange(len(SIZES))
    size, spacing = SIZES[kind], SPACINGS[kind]
    truth = _truth(info.task.name, size, rng)
    image = ImageRef(f"{place}.nii.gz", 2, place % 100, "display", "ct_soft_tissue")
    tags = {"modality": "CT", "anatomy": "abdomen", "plane": "axial", "label": str(truth.get("label", "a to b"))}
    patient = f"P{place // per_patient}"
    sample = Sample(stable_uid(place), info.task.name, "made", patient, image, size, spacing, truth, tags)
    to_view = PixelMap.stretch(size, SEEN)
    view = View(SEEN, Spacing(spacing.y / to_view.scale_y, spacing.x / to_view.scale_x), to_view, 256)
    entry = from_line(to_line(sample, "subject"), part, sample.task, sample.source, {})
    return {
        "uid": sample.uid,
        "part": part,
        "subject": patient,
        "image": 0,
        "prompt": [{"role": "user", "content": info.task.prompt(sample, view)}],
        "completion": [{"role": "assistant", "content": info.task.answer(sample, view)}],
        "sample": dump_sample(entry, sample.uid, stable_uid(patient), "test", 0),
        "view": dump_view(view),
    }


def _truth(task: str, size: Size, rng: random.Random) -> dict[str, Any]:
    def point() -> list[float]:
        return [rng.uniform(10, size.h / 2), rng.uniform(10, size.w / 2)]

    if task == "classification":
        return {"class_id": rng.randrange(len(CLASSES)), "classes": CLASSES}
    if task == "detection":
        (y, x), (h, w) = point(), point()
        return {"label": "liver", "box": [y, x, y + h, x + w]}
    if task == "lesion_size":
        (y, x), length = point(), rng.uniform(20, 60)
        ends = {"major": [[y, x], [y + length, x]], "minor": [[y, x], [y, x + length / 3]]}
        return {"label": "lesion", **ends}
    return {"kind": "distance", "points": {"a": point(), "b": point()}, "lines": [["a", "b"]], "directed": False}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="questions, a multiple of 4 (default: %(default)s)")
    parser.add_argument("--per-patient", type=int, default=20, help="questions per patient (default: %(default)s)")
    parser.add_argument("--prose", type=float, default=0.1, help="share of replies in prose (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the seconds there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
