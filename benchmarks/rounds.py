"""One measured piece of work in a process of its own: reads the job as JSON and prints what it cost.

A fresh process per round, so that no round warms another up or owns another's memory. What is measured is one call:
everything it needs is imported before. The worker processes that it starts, their imports and their end are part of it.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def main() -> None:
    """Do the job on standard input."""
    job = json.load(sys.stdin)
    print(json.dumps(JOBS[job.pop("do")](**job)))


def measured(work: Callable[[], T]) -> tuple[T, dict[str, float]]:
    """What a call returns, and its cost: seconds of wall and of CPU, and MB of the largest process.

    CPU time counts this process and every process that it started and waited for.
    """
    cpu, wall = cpu_s(), time.perf_counter()
    result = work()
    wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
    return result, {"wall_s": wall, "cpu_s": cpu, "peak_mb": max(_usage("ru_maxrss")) / 1024}


def _usage(name: str) -> list[float]:
    return [getattr(resource.getrusage(who), name) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def cpu_s() -> float:
    """CPU seconds of this process and of every process that it started and waited for."""
    return sum(_usage("ru_utime") + _usage("ru_stime"))


def naive(slices: list[tuple[str, int]], folder: str, sizes: bool, reader: str, processes: int) -> dict[str, Any]:
    """The naive way over (volume, slice) pairs in random order; its pictures are deleted afterwards."""
    from naive import Wanted, prepare

    pictures = Path(folder)
    pictures.mkdir(parents=True)
    random.Random(0).shuffle(slices)
    samples = [
        Wanted(Path(path), index, pictures / f"{Path(path).stem}_{index}.png", sizes, reader) for path, index in slices
    ]
    _, cost = measured(lambda: prepare(samples, processes))
    shutil.rmtree(pictures)
    return {"samples": len(samples), **cost}


def ours(data: dict[str, Any], family: str, processes: int) -> dict[str, Any]:
    """The whole call of ``prepare_dataset``."""
    import datasets  # noqa: F401  (imported at first use otherwise, and measured)

    from medft_bm.config.schema import Data, Prepare
    from medft_bm.models import load_model_family
    from medft_bm.prepare.dataset import prepare_dataset

    asked, how, bound = Data.model_validate(data), Prepare(workers=processes), load_model_family(family)
    prepared, cost = measured(lambda: prepare_dataset(asked, bound, how))
    about = prepared.manifest
    return {"samples": about["samples"], "images": about["images"], "folder": str(prepared.folder), **cost}


def grow(folder: str, into: str, rows: int, images: int) -> dict[str, Any]:
    """Copy a prepared dataset with every row ``rows`` times and every image ``images`` times."""
    import datasets
    import pyarrow as pa

    from medft_bm.prepare.dataset import open_prepared
    from medft_bm.prepare.stored import IMAGES, link_all

    small, large = open_prepared(Path(folder)), Path(into)
    count = len(small.images)
    grown = {}
    for split, table in small.tables.items():
        columns = table.data.table
        with pa.OSFile(f"{into}.{split}", "wb") as file, pa.ipc.new_stream(file, columns.schema) as stream:
            for copy in range(rows):
                moved = pa.compute.add(columns["image"], copy % images * count)
                stream.write_table(columns.set_column(columns.schema.get_field_index("image"), "image", moved))
        grown[split] = datasets.Dataset.from_file(f"{into}.{split}")
    datasets.DatasetDict(grown).save_to_disk(into)
    for split in grown:
        Path(f"{into}.{split}").unlink()
    link_all(sorted((small.folder / IMAGES).iterdir()) * images, large / IMAGES)
    shutil.copyfile(small.folder / "manifest.json", large / "manifest.json")
    return {"samples": sum(map(len, grown.values())), "images": count * images}


def opened(folder: str) -> dict[str, Any]:
    """Open a prepared dataset, and read its first row and that row's image."""
    import datasets  # noqa: F401  (as above)

    from medft_bm.prepare.dataset import open_prepared

    def first() -> tuple[int, int]:
        item = open_prepared(Path(folder)).items("train")[0]
        return item.image.size

    _, cost = measured(first)
    return cost


JOBS: dict[str, Callable[..., dict[str, Any]]] = {"naive": naive, "ours": ours, "grow": grow, "open": opened}

if __name__ == "__main__":  # worker processes import this file again
    main()
