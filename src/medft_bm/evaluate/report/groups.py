"""The headline metric of every group of items: by label, modality, plane, size and whatever else tells items apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medft_bm.core.types import Metric
from medft_bm.evaluate.compare import FEW_SUBJECTS, WHO, Who
from medft_bm.evaluate.report.sizes import true_sizes
from medft_bm.evaluate.report.words import number
from medft_bm.evaluate.score import Scored, bounds_of
from medft_bm.metrics.aggregate import Interval, clustered_bootstrap

FIRST = ("label", "modality", "anatomy", "plane", "dataset")
"""Tags in the order a reader expects; others follow by name."""
MOST = 30
"""Groups shown of one tag: the largest."""
UNKNOWN = "not stated"


@dataclass(frozen=True)
class Group:
    """Items of one part that have something in common.

    Attributes:
        name: what they have in common.
        n: items.
        subjects: patients among them.
        results: mean of the headline metric by who answered; missing where no item has a value.
    """

    name: str
    n: int
    subjects: int
    results: Mapping[Who, Interval]

    @property
    def few(self) -> bool:
        """Whether too few subjects stand behind it to conclude anything."""
        return self.subjects < FEW_SUBJECTS


@dataclass(frozen=True)
class Grouping:
    """One part, taken apart by one property.

    Attributes:
        part: name in the mix.
        by: the property.
        metric: headline metric of the part.
        groups: largest first, except by size, which goes up.
        left_out: groups beyond :data:`MOST`.
    """

    part: str
    by: str
    metric: Metric
    groups: tuple[Group, ...]
    left_out: int

    @property
    def answered(self) -> list[Who]:
        """Who has a value in any group."""
        return [who for who in WHO if any(who in group.results for group in self.groups)]


def groupings(
    scored: Mapping[Who, Sequence[Scored]], names: Sequence[str], *, resamples: int, seed: int
) -> list[Grouping]:
    """Every part by every property that varies in it.

    Args:
        scored: what everyone answered, on the same items.
        names: of the parts of the mix.
        resamples: draws behind every interval.
        seed: of those draws.
    """
    first = next(iter(scored.values()), ())
    parts: dict[int, list[int]] = defaultdict(list)
    for index, one in enumerate(first):
        parts[one.item.part].append(index)
    found = []
    for part, places in sorted(parts.items()):
        members = {who: [scored[who][index] for index in places] for who in WHO if who in scored}
        for told_by in _properties(members[next(iter(members))]):
            found.append(_grouping(names[part], told_by, members, resamples, seed))
    return found


@dataclass(frozen=True)
class _Property:
    by: str
    values: Sequence[str]
    order: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Values in the order to show: as given, else the most frequent first."""
        counts = Counter(self.values)
        return list(self.order) or sorted(counts, key=lambda name: (-counts[name], name))


def _properties(scored: Sequence[Scored]) -> list[_Property]:
    """What items can be told apart by; nothing that says the same as an earlier one."""
    tags = [one.item.sample.tags for one in scored]
    known = sorted({key for of in tags for key in of})
    ordered = [key for key in FIRST if key in known] + [key for key in known if key not in FIRST]
    by_tag = [_Property(key, [of.get(key) or UNKNOWN for of in tags]) for key in ordered]
    kept, seen = [], set()
    for one in [*by_tag, *_thirds(scored)]:
        first: dict[str, int] = {}
        partition = tuple(first.setdefault(value, index) for index, value in enumerate(one.values))
        # A tag with about one value per item names items, and groups none.
        if 1 < len(first) <= max(2, len(partition) // 2) and partition not in seen:
            seen.add(partition)
            kept.append(one)
    return kept


def _thirds(scored: Sequence[Scored]) -> list[_Property]:
    """Small, middle and large, a third of the items each; nothing where sizes hardly vary."""
    sizes = true_sizes([one.item for one in scored], [one.score for one in scored])
    if sizes is None:
        return []
    low, first, second, high = np.quantile(sizes.values, [0, 1 / 3, 2 / 3, 1]).tolist()
    places = np.searchsorted([first, second], sizes.values, side="left").tolist()
    if not low < first < second < high or len(set(places)) < 3:
        return []
    edges = [number(edge) for edge in (low, first, second, high)]
    titles = tuple(f"{name}: {edges[k]} to {edges[k + 1]}" for k, name in enumerate(("small", "middle", "large")))
    return [_Property(sizes.label, [titles[place] for place in places], titles)]


def _grouping(
    part: str, one: _Property, members: Mapping[Who, Sequence[Scored]], resamples: int, seed: int
) -> Grouping:
    places: dict[str, list[int]] = defaultdict(list)
    for index, value in enumerate(one.values):
        places[value].append(index)
    groups = tuple(
        _group(name, {who: [of[index] for index in places[name]] for who, of in members.items()}, resamples, seed)
        for name in one.names[:MOST]
    )
    metric = next(iter(members.values()))[0].item.task.metrics[0]
    return Grouping(part, one.by, metric, groups, max(0, len(places) - MOST))


def _group(name: str, members: Mapping[Who, Sequence[Scored]], resamples: int, seed: int) -> Group:
    items = [one.item for one in next(iter(members.values()))]
    results = {who: _mean(of, resamples, seed) for who, of in members.items()}
    return Group(
        name=name,
        n=len(items),
        subjects=len({item.sample.subject for item in items}),
        results={who: result for who, result in results.items() if result is not None},
    )


def _mean(scored: Sequence[Scored], resamples: int, seed: int) -> Interval | None:
    metric = scored[0].item.task.metrics[0]
    pairs = [(one.value(metric), one.item.sample.subject) for one in scored]
    values = np.array([value for value, _ in pairs if value is not None], np.float64)
    subjects = [subject for value, subject in pairs if value is not None]
    if not len(values):
        return None
    return clustered_bootstrap(values, subjects, resamples=resamples, seed=seed, bounds=bounds_of(metric, values))
