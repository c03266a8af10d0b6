"""How fast preparation is, beside the naive way: ``docs/benchmarks.md`` says what is measured and how to read it.

python benchmarks/prepare.py
python benchmarks/prepare.py --cases ct40 mr40 --rounds 3 --json runs/prepare.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cases
from cases import OTHERS, QUESTIONS, SPEEDS, Question, Speed
from filelock import FileLock, Timeout
from volumes import make, questions, volume_path

from medft_bm.cli.common import dumps, table

HERE = Path(__file__).resolve().parent
BASES = HERE.parent / "script" / "demo" / "base"
FAMILIES = {name: str(BASES / name) for name in ("gemma3", "qwen2_5_vl")}

Row = dict[str, Any]
Cost = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """How everything is measured.

    Attributes:
        folder: of volumes, plans and caches.
        processes: that each side may use.
        rounds: of which the median counts.
        reader: how the naive way reads volumes.
        speeds: the data sets by name.
    """

    folder: Path
    processes: int
    rounds: int
    reader: str
    speeds: dict[str, Speed]

    def ours(self, name: str, asked: Sequence[Question], cache: str = "cache", family: str = "gemma3") -> Cost:
        """The cost of preparing one data set; a part of it that is in the cache is not done again."""
        data = cases.data(self.speeds[name], asked, str(self.folder / "data"), str(self.folder / cache))
        cost = job(do="ours", data=data, family=FAMILIES[family], processes=self.processes)
        expected = self.speeds[name].dataset.samples * len(asked)
        if cost["samples"] != expected:
            sys.exit(f"{name}: {cost['samples']} samples were prepared, and {expected} were asked for")
        return cost

    def cold(self, name: str, asked: Sequence[Question]) -> Cost:
        """The same without anything in the cache, before or after."""
        self.clear()
        cost = self.ours(name, asked)
        self.clear()
        return cost

    def naive(self, speed: Speed, question: Question, number: int) -> Cost:
        """The cost of the naive way, on as many samples as take long enough to time."""
        dataset = speed.dataset
        slices = [(volume, k) for volume in range(dataset.kind.count) for k in questions(dataset, volume)]
        some = random.Random(number).sample(slices, min(len(slices), speed.naive[question] * self.processes))
        return job(
            do="naive",
            slices=[(str(volume_path(self.folder, dataset.kind, volume)), k) for volume, k in some],
            folder=str(self.folder / "naive_png"),
            sizes=question == "sizes",
            reader=self.reader,
            processes=self.processes,
        )

    def clear(self, cache: str = "cache") -> None:
        """Forget what was prepared."""
        shutil.rmtree(self.folder / cache, ignore_errors=True)


def job(**what: Any) -> Cost:
    """One piece of work in a fresh process, see ``rounds.py``."""
    words = [sys.executable, str(HERE / "rounds.py")]
    done = subprocess.run(words, input=json.dumps(what), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{what['do']} failed:\n{done.stderr}")
    cost: Cost = json.loads(done.stdout.splitlines()[-1])
    return cost


def speeds(bench: Bench, names: Sequence[str]) -> Iterator[Row]:
    """Naive and ours in turn; data sets on the same volumes share the naive round, whose cost is per sample."""
    for kind in dict.fromkeys(bench.speeds[name].dataset.kind.name for name in names):
        here = [name for name in names if bench.speeds[name].dataset.kind.name == kind]
        for question in QUESTIONS:
            costs: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in here}
            for number in range(bench.rounds):
                naive = bench.naive(bench.speeds[here[0]], question, number)
                for name in here:
                    costs[name].append((naive, bench.cold(name, [question])))
                    said(f"{name} {question}, round {number + 1} of {bench.rounds}")
            for name in here:
                yield speed_row(name, question, costs[name], bench.speeds[name])


def speed_row(name: str, question: Question, costs: Sequence[tuple[Cost, Cost]], speed: Speed) -> Row:
    """Medians over the rounds, and ratios of the rounds themselves."""
    wall = [per_sample(naive, "wall_s") / per_sample(ours, "wall_s") for naive, ours in costs]
    cpu = [per_sample(naive, "cpu_s") / per_sample(ours, "cpu_s") for naive, ours in costs]
    peak = max(ours["peak_mb"] for _, ours in costs)
    return {
        "case": name,
        "question": question,
        "naive/s": significant(median(1 / per_sample(naive, "wall_s") for naive, _ in costs)),
        "ours/s": significant(median(1 / per_sample(ours, "wall_s") for _, ours in costs)),
        "times": significant(median(wall)),
        "target": speed.targets[question],
        "lowest": significant(min(wall)),
        "highest": significant(max(wall)),
        "CPU times": significant(median(cpu)),
        "naive MB": round(max(naive["peak_mb"] for naive, _ in costs)),
        "ours MB": round(peak),
        "met": met(
            median(wall) >= speed.targets[question] and (speed.dataset.kind != cases.CT or peak <= cases.PEAK_MB)
        ),
        "rounds": [{"naive": naive, "ours": ours} for naive, ours in costs],
    }


def per_sample(cost: Cost, what: str) -> float:
    """Seconds for one sample."""
    return float(cost[what] / cost["samples"])


def second_family(bench: Bench, name: str) -> Row:
    """The same samples for another model family, whose images are already there."""
    times = []
    for _ in range(bench.rounds):
        bench.clear()
        first = bench.ours(name, ["boxes"])
        times.append(first["wall_s"] / bench.ours(name, ["boxes"], family="qwen2_5_vl")["wall_s"])
    return other_row("second_family", "times cheaper than the first", times, 20, at_least=True)


def shared(bench: Bench, name: str) -> Row:
    """Two tasks about the same slices: in one mix, and one after the other with nothing in common."""
    times = []
    for _ in range(bench.rounds):
        apart = sum(bench.cold(name, [question])["wall_s"] for question in QUESTIONS)
        times.append(apart / bench.cold(name, QUESTIONS)["wall_s"])
    return other_row("shared", "times cheaper than apart", times, 1.6, at_least=True)


def cached(bench: Bench, name: str) -> Row:
    """The whole command ``medft prepare`` when there is nothing left to do."""
    bench.clear()
    data = cases.data(bench.speeds[name], ["boxes"], str(bench.folder / "data"), str(bench.folder / "cache"))
    config = bench.folder / "cached.yaml"
    words = {"data": data, "model": {"name": FAMILIES["gemma3"]}, "prepare": {"workers": bench.processes}}
    config.write_text(json.dumps(words), encoding="utf-8")  # JSON is YAML
    command(config)
    return other_row("cached", "s for `medft prepare`", [command(config) for _ in range(bench.rounds)], 3)


def command(config: Path) -> float:
    """Seconds that ``medft prepare`` takes."""
    start = time.perf_counter()
    words = [sys.executable, "-m", "medft_bm.cli.main", "prepare", str(config)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"medft prepare failed:\n{done.stderr}")
    return time.perf_counter() - start


def opened(bench: Bench, name: str) -> Row:
    """Opening a prepared dataset that is ten times as long, with twice the images; first row and first image."""
    bench.clear()
    shutil.rmtree(bench.folder / "grown", ignore_errors=True)
    small, grown = bench.ours(name, ["boxes"])["folder"], str(bench.folder / "grown")
    size = job(do="grow", folder=small, into=grown, rows=10, images=2)
    times = [job(do="open", folder=grown)["wall_s"] for _ in range(bench.rounds)]
    shutil.rmtree(grown)
    return other_row("open", f"s for {size['samples']:,} rows, {size['images']:,} images", times, 1)


def other_row(case: str, what: str, values: Sequence[float], target: float, *, at_least: bool = False) -> Row:
    """The median of the rounds and its target."""
    middle = median(values)
    return {
        "case": case,
        "median": significant(middle),
        "what": what,
        "target": f"{'at least' if at_least else 'at most'} {target:g}",
        "met": met(middle >= target if at_least else middle <= target),
        "rounds": list(values),
    }


def met(is_met: bool) -> str:
    """A word for the table."""
    return "yes" if is_met else "NO"


def significant(value: float) -> float:
    """Three digits: more are noise."""
    return float(f"{value:.3g}")


def said(what: str) -> None:
    """Progress, apart from the result."""
    print(what, file=sys.stderr, flush=True)


def machine(bench: Bench) -> Row:
    """What the numbers were measured on."""
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "processes": bench.processes,
        "rounds": bench.rounds,
        "naive reader": bench.reader,
    }


MEASURES = {"second_family": second_family, "shared": shared, "cached": cached, "open": opened}


def main() -> None:
    """Make the data, measure, print, write JSON."""
    words = arguments()
    chosen = {name: cases.quick(speed) if words.quick else speed for name, speed in SPEEDS.items()}
    folder = words.folder.resolve() / ("quick" if words.quick else "full")
    bench = Bench(folder, words.processes, 1 if words.quick else words.rounds, words.reader, chosen)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            found = measure(bench, words.cases or [*SPEEDS, *OTHERS])
    except Timeout:
        sys.exit(f"another benchmark is running in {folder}; two at a time measure each other")
    show(found)
    if words.json:
        words.json.parent.mkdir(parents=True, exist_ok=True)
        words.json.write_text(dumps(found), encoding="utf-8")


def measure(bench: Bench, names: Sequence[str]) -> Row:
    """The machine, and the rows of both tables."""
    needed = dict.fromkeys(OTHERS.get(name, name) for name in names)
    said(f"making what is missing of the volumes in {bench.folder}")
    make(bench.folder, [bench.speeds[name].dataset for name in needed], bench.processes)
    speed = list(speeds(bench, [name for name in names if name in SPEEDS]))
    others = [MEASURES[name](bench, OTHERS[name]) for name in names if name in OTHERS]
    bench.clear()
    return {"machine": machine(bench), "speed": speed, "others": others}


def show(found: Row) -> None:
    """Print the tables, without the single rounds."""
    print(", ".join(f"{key} {value}" for key, value in found["machine"].items()))
    for rows in (found["speed"], found["others"]):
        if rows:
            print(f"\n{table([{key: value for key, value in row.items() if key != 'rounds'} for row in rows])}")


def arguments() -> argparse.Namespace:
    """The command line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--cases", nargs="+", choices=[*SPEEDS, *OTHERS], help="what to measure; by default everything")
    words.add_argument("--rounds", type=positive, default=5, help="rounds, of which the median counts")
    words.add_argument("--processes", type=positive, default=2, help="worker processes of both sides")
    words.add_argument("--reader", choices=("nibabel", "gzip"), default="nibabel", help="how the naive way reads")
    words.add_argument("--folder", type=Path, default=Path("cache/benchmarks"), help="of volumes, which are kept")
    words.add_argument("--json", type=Path, help="file for every number of every round")
    words.add_argument("--quick", action="store_true", help="tiny volumes and one round: whether it runs, no numbers")
    return words.parse_args()


def positive(text: str) -> int:
    """A number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


if __name__ == "__main__":  # worker processes import this file again
    main()
