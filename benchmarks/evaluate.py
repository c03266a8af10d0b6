"""How fast a model is asked: batches against one question at a time, and what probabilities of classes cost.

python benchmarks/evaluate.py
python benchmarks/evaluate.py --checkpoints google/medgemma-4b-it --batches 1 8 32 --count 200 --json runs/evaluate.json
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rounds import cpu_s

from medft_bm.cli.common import table
from medft_bm.config.load import load_config
from medft_bm.evaluate.asking import asked_items, questions_about
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.generate import generate_replies
from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import Reply
from medft_bm.models import load_model_family
from medft_bm.models.base import Loaded
from medft_bm.models.loading import on_device, resolve_dtype
from medft_bm.prepare.dataset import prepare_dataset

HERE = Path(__file__).resolve().parent.parent
MIX = HERE / "tasks" / "demo.yaml"
BASES = [HERE / "script/demo/base" / family for family in ("gemma3", "qwen2_5_vl")]
BUDGET = 40


def main() -> int:
    """Measure and print."""
    words = arguments()
    torch.set_num_threads(words.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for checkpoint in words.checkpoints:
            rows += measure(checkpoint, words, Path(folder))
    print(table(rows))
    if words.json:
        words.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if any(row["same"] == "no" for row in rows):
        print("replies differ: in bfloat16 two tokens of almost equal probability may swap", file=sys.stderr)
        return 1
    return 0


def measure(checkpoint: str, words: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """One row per way of asking; every round asks in each way once, and numbers are medians over rounds.

    Batches are compared with the first of them, probabilities with the same questions without.
    """
    loaded, questions = prepared(checkpoint, words.count)
    plain = [replace(question, candidates=()) for question in questions]
    closed = [question for question in questions if question.candidates]
    ways: dict[str, tuple[int, Sequence[Question]]] = {f"batch {size}": (size, plain) for size in words.batches}
    most = max(words.batches)
    ways[f"classes, batch {most}"] = (most, [replace(question, candidates=()) for question in closed])
    ways[f"classes with probabilities, batch {most}"] = (most, closed)
    ask(loaded, plain[:most], most, folder / "warm")
    found: dict[str, list[tuple[list[str], float, float]]] = {way: [] for way in ways}
    for number in range(words.rounds):
        for place, (way, (size, asked)) in enumerate(ways.items()):
            start, before = time.perf_counter(), cpu_s()
            replies = ask(loaded, asked, size, folder / f"{Path(checkpoint).name}-{number}-{place}")
            cost = time.perf_counter() - start, cpu_s() - before
            found[way].append(([reply.text for reply in replies], *cost))
    name, compared = Path(checkpoint).name, list(ways)
    against = [compared[0]] * len(words.batches) + [compared[-2]] * 2
    return [
        row(name, way, found[way], found[other], len(ways[way][1])) for way, other in zip(ways, against, strict=True)
    ]


def prepared(checkpoint: str, count: int) -> tuple[Loaded, list[Question]]:
    """The model on the best device, and questions of the demo in equal shares of its four kinds."""
    options = ["data.limit.train=0", "data.limit.validation=0", f"evaluate.limit={count}", f"model.name={checkpoint}"]
    config = load_config(MIX, options, environ={}).config
    logging.getLogger("medft_bm").setLevel(logging.ERROR)  # nothing is trained on, as it would warn
    family = load_model_family(checkpoint)
    data = prepare_dataset(config.data, family, config.prepare)
    questions = questions_about(data, asked_items(data, config.evaluate), config.evaluate)
    loaded = family.load(checkpoint, revision=None, dtype=resolve_dtype("auto"), attention="sdpa")
    return on_device(loaded), questions


def ask(loaded: Loaded, questions: Sequence[Question], size: int, folder: Path) -> list[Reply]:
    """As ``medft evaluate`` does it: pictures decoded, replies written."""
    return generate_replies(Transformers(loaded, BUDGET, size), questions, out=folder, data="benchmark")


def row(name: str, way: str, rounds: list[Any], against: list[Any], count: int) -> dict[str, Any]:
    """One line of the table."""
    said = {tuple(texts) for texts, *_ in (*rounds, *against)}
    return {
        "model": name,
        "asked": way,
        "n": count,
        "samples/s": round(median(count / wall for _, wall, _ in rounds), 1),
        "CPU ms each": round(1000 * median(cpu / count for *_, cpu in rounds), 1),
        "times": round(median(b[1] / a[1] for a, b in zip(rounds, against, strict=True)), 2),
        "CPU times": round(median(b[2] / a[2] for a, b in zip(rounds, against, strict=True)), 2),
        "same": "yes" if len(said) == 1 else "no",
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--checkpoints", nargs="+", default=list(map(str, BASES)), help="default: the demo's two models")
    words.add_argument(
        "--batches",
        nargs="+",
        type=int,
        default=[1, 8, 16],
        help="prompts at a time; others are compared with the first",
    )
    words.add_argument("--count", type=int, default=96, help="questions")
    words.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts")
    words.add_argument("--threads", type=int, default=1, help="of a CPU")
    words.add_argument("--json", type=Path, metavar="FILE", help="write the table there as JSON too")
    return words.parse_args()


if __name__ == "__main__":
    sys.exit(main())
