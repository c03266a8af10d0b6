"""Which questions are asked when not all are: spread over parts and patients, by hashes and never by place."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from medft_bm.core.memory import no_garbage_search
from medft_bm.prepare.arrow import columns
from medft_bm.prepare.dataset import Item, Items


def spread_items(items: Items, count: int) -> list[Item]:
    """The items of the rows that :func:`spread` takes, in their order."""
    with no_garbage_search():
        places = spread(columns(items.rows, "uid", "part", "subject").to_pydict(), count)
        return list(replace(items, rows=items.rows.select(places)))


def spread(rows: Mapping[str, Any], count: int) -> list[int]:
    """At most ``count`` rows, about equally many of every part, of as many subjects as there are; by hashes.

    Fewer rows are always some of those that more would be.

    Args:
        rows: the columns ``uid``, ``part`` and ``subject``.
        count: how many.

    Returns:
        Places in the table, in its order.
    """
    seen: dict[tuple[int, str], int] = defaultdict(int)
    parts: dict[int, list[tuple[int, str, int]]] = defaultdict(list)
    columns = zip(rows["uid"], rows["part"], rows["subject"], strict=True)
    hashed = sorted((hashlib.sha256(uid.encode()).hexdigest(), index, part, subject)
                    for index, (uid, part, subject) in enumerate(columns))  # fmt: skip
    for digest, index, part, subject in hashed:
        parts[part].append((seen[part, subject], digest, index))
        seen[part, subject] += 1
    shares = share_out(count, {part: len(members) for part, members in parts.items()})
    return sorted(index for part, members in parts.items() for *_, index in sorted(members)[: shares[part]])


def share_out(total: int, sizes: Mapping[int, int]) -> dict[int, int]:
    """Give every part the same number, up to its size, and what it cannot take to the others."""
    shares = dict.fromkeys(sizes, 0)
    while total > 0 and any(shares[part] < size for part, size in sizes.items()):
        for part, size in sorted(sizes.items()):
            if total > 0 and shares[part] < size:
                shares[part] += 1
                total -= 1
    return shares
