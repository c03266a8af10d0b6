"""Keep as many samples as asked for, chosen so that adding data never reshuffles what was there."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from medft_bm.config.schema import Data, Limits, Mixing, Part
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import SPLITS, Split
from medft_bm.prepare.entries import Entry
from medft_bm.prepare.split import ROUNDING, apportion

log = logging.getLogger(__name__)

Ints: TypeAlias = NDArray[np.int64]

TRAIN = SPLITS.index("train")


def select(entries: Sequence[Entry], splits: Sequence[Split], data: Data) -> list[int]:
    """Which samples are used, in their final order.

    Balance, the limits per part, the limits per task, the shares of the mixing and the limits in total follow each
    other, each applied to what the one before it left. Every choice goes by a hash of the uid.

    Args:
        entries: all that were found; their ``part`` counts the parts of ``data.mix``.
        splits: of every entry.
        data: limits, balance, mixing and the seed of the hashes.

    Returns:
        Indices into ``entries``, by split in the order of ``SPLITS``, then by hash. Only training samples that are
        oversampled come more than once.

    Raises:
        ConfigError: ``data.mixing.weights`` names no task or part of the mix.
        DataError: nothing is left at all.
    """
    tasks, parts = [part.task for part in data.mix], [part.name for part in data.mix]
    sharing = parts if data.mixing.by == "source" else tasks
    _refuse_unknown(data.mixing, sharing)
    pool = Pool.of(entries, splits, data.seed)
    rows: Ints = np.arange(len(entries))
    rows = _balance(pool, rows, entries, data.mix)
    own = {part.name: _own_limits(part, data.limit_per_source) for part in data.mix}
    rows = _limit(pool, rows, "part", parts, own)
    rows = _limit(pool, rows, "task", tasks, dict.fromkeys(tasks, data.limit_per_task))
    rows = _mix(pool, rows, sharing, data.mixing, data.limit.train)
    rows = _limit(pool, rows, "total", ["all tasks"] * len(parts), {"all tasks": data.limit})
    if not len(rows):
        raise DataError(
            f"none of the {len(entries)} samples is left after limits",
            where="data.limit, data.limit_per_task, data.limit_per_source, limit of the parts",
            fix="raise the limits; 0 drops a split, unset or -1 keeps all of it",
        )
    kept: list[int] = rows[np.lexsort((pool.keys(rows, "total"), pool.splits[rows]))].tolist()
    return kept


def _refuse_unknown(mixing: Mixing, known: Sequence[str]) -> None:
    for name in mixing.weights:
        if name not in known:
            raise ConfigError(
                f"no {mixing.by} of the mix is named {name!r}{did_you_mean(name, set(known))}",
                where="data.mixing.weights",
                fix="name tasks, or with data.mixing.by=source the parts of data.mix",
            )


def _own_limits(part: Part, others: Limits) -> Limits:
    return Limits.model_validate(others.model_dump() | part.limit.model_dump(exclude_none=True))


@dataclass(frozen=True)
class Pool:
    """What choosing needs of all samples, as columns: number of the part, number of the split."""

    uids: list[str]
    parts: Ints
    splits: Ints
    seed: int

    @classmethod
    def of(cls, entries: Sequence[Entry], splits: Sequence[Split], seed: int) -> Pool:
        """The columns of these entries."""
        number = {split: i for i, split in enumerate(SPLITS)}
        parts = np.fromiter([entry.part for entry in entries], np.int64, len(entries))
        places = np.fromiter([number[split] for split in splits], np.int64, len(entries))
        return cls([entry.uid for entry in entries], parts, places, seed)

    def keys(self, rows: Ints, stage: str) -> NDArray[np.uint64]:
        """What rows are ordered by, which depends on seed, stage and uid alone.

        Every stage has an order of its own: what a limit kept of a large task has small hashes in that limit's order,
        and would win again over a small task in the next.

        Args:
            rows: ascending; when a sample is repeated, every copy has its own place in the order.
            stage: name of the order.
        """
        copies = np.arange(len(rows)) - np.searchsorted(rows, rows)
        names = [self.uids[row] for row in rows.tolist()]
        for copy in np.flatnonzero(copies).tolist():
            names[copy] += f"\x1f{copies[copy]}"
        head, sha256 = f"{self.seed}\x1f{stage}\x1f", hashlib.sha256
        digests = b"".join([sha256(f"{head}{name}".encode()).digest()[:8] for name in names])
        return np.frombuffer(digests, ">u8").astype(np.uint64)

    def first(self, rows: Ints, stage: str, cells: Ints, quota: Ints) -> Ints:
        """The first of every cell in the order of a stage.

        Args:
            rows: to choose from.
            stage: name of the order.
            cells: number of every row's cell.
            quota: how many to keep of each cell.
        """
        if (np.bincount(cells, minlength=len(quota)) <= quota).all():
            return rows
        order = np.lexsort((self.keys(rows, stage), cells))
        ordered = cells[order]
        keep = np.zeros(len(rows), bool)
        keep[order] = np.arange(len(rows)) - np.searchsorted(ordered, ordered) < quota[ordered]
        return rows[keep]


def _balance(pool: Pool, rows: Ints, entries: Sequence[Entry], mix: Sequence[Part]) -> Ints:
    balanced = np.array([part.balance for part in mix])
    chosen = balanced[pool.parts[rows]]
    if not chosen.any():
        return rows
    cells: Ints = np.zeros(len(rows), np.int64)  # cell 0: all that is left as it is
    numbers: dict[tuple[int, int, str], int] = {}
    for at in np.flatnonzero(chosen).tolist():
        row = rows[at]
        key = (int(pool.parts[row]), int(pool.splits[row]), entries[row].label)
        cells[at] = numbers.setdefault(key, len(numbers) + 1)
    quota = np.bincount(cells)
    for part, split in sorted({key[:2] for key in numbers}):
        of_labels = [number for key, number in numbers.items() if key[:2] == (part, split)]
        quota[of_labels] = rarest = quota[of_labels].min()
        log.info(
            "%s, %s: balanced, %d samples for each of %d labels", mix[part].name, SPLITS[split], rarest, len(of_labels)
        )
    return pool.first(rows, "balance", cells, quota)


def _limit(pool: Pool, rows: Ints, stage: str, groups: Sequence[str], limits: Mapping[str, Limits]) -> Ints:
    """Keep at most so many of every group and split.

    Args:
        pool: of all samples.
        rows: to choose from.
        stage: name of the order.
        groups: name of the group that each part belongs to.
        limits: of every group.
    """
    cells = _numbers(groups)[pool.parts[rows]] * len(SPLITS) + pool.splits[rows]
    names = list(dict.fromkeys(groups))
    counts = np.bincount(cells, minlength=len(names) * len(SPLITS))
    quota = counts.copy()
    for cell, count in enumerate(counts.tolist()):
        name, split = names[cell // len(SPLITS)], SPLITS[cell % len(SPLITS)]
        limit = getattr(limits[name], split)
        quota[cell] = count if limit is None else limit
        if limit is not None and limit > count > 0:
            log.info("%s, %s: the limit is %d and there are %d samples; using all", name, split, limit, count)
    return pool.first(rows, stage, cells, quota)


def _numbers(groups: Sequence[str]) -> Ints:
    """The number of every part's group."""
    names = list(dict.fromkeys(groups))
    return np.array([names.index(name) for name in groups], np.int64)


def _mix(pool: Pool, rows: Ints, groups: Sequence[str], mixing: Mixing, limit: int | None) -> Ints:
    """Give every group its share of the training rows, by dropping some or by repeating some."""
    if not mixing.weights and mixing.temperature is None:
        return rows
    names = list(dict.fromkeys(groups))
    # One cell per group for training, and a last one for everything else.
    train = pool.splits[rows] == TRAIN
    cells = np.where(train, _numbers(groups)[pool.parts[rows]], len(names))
    sizes = np.bincount(cells, minlength=len(names) + 1)
    wanted = np.append(_wanted(names, sizes[:-1], mixing, limit), sizes[-1])
    for name, size, count in zip(names, sizes.tolist(), wanted[:-1].tolist(), strict=False):
        share = 100 * count / max(1, wanted[:-1].sum())
        level = logging.WARNING if size and not count else logging.INFO
        log.log(level, "mixing: %s gets %d training rows (%.1f %%) from %d samples", name, count, share, size)
    whole, rest = np.divmod(wanted, np.maximum(sizes, 1))
    extra = np.isin(rows, pool.first(rows, "mixing", cells, rest))
    return np.repeat(rows, whole[cells] + extra)


def _wanted(names: Sequence[str], sizes: Ints, mixing: Mixing, limit: int | None) -> Ints:
    """Training rows of every group, in the shares that are asked for."""
    if mixing.temperature is not None:
        shares = sizes ** (1 / mixing.temperature)
    else:
        shares = np.array([mixing.weights.get(name, 1.0) for name in names])
    shares = np.where(sizes > 0, shares, 0.0)
    if not shares.any():
        return sizes
    shares = shares / shares.sum()
    if mixing.oversample:
        total = int(sizes.sum()) if limit is None else limit
    else:
        fits = sizes[shares > 0] / shares[shares > 0]
        total = math.floor(fits.min() + 10**-ROUNDING)
        total = total if limit is None else min(total, limit)
    return np.array(apportion(total, shares.tolist()), np.int64)
