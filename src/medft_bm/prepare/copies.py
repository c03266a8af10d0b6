"""Pictures of one patient under two names: the same image, or nearly the same, in two splits."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.types import SPLITS, Split
from medft_bm.prepare.findings import Finding

SIDE = 8
"""Blocks along each side of a thumbnail."""

NEAR_GREY_LEVELS = 4.0
"""Root mean square difference of two thumbnails up to which their images count as copies.

Measured on hippocampus MR, limb CT, MR and PET, fetal ultrasound and histology: JPEG of quality 75 moves a thumbnail by
at most 1.3, a bicubic change of size by a tenth by at most 3.7, and images of different patients are 7.2 apart or more.
"""

SURE_GREY_LEVELS = 1.5
"""Difference up to which they count as copies in any case; above it, only if nobody else's image is nearly as near.

Images of many patients in one pose are alike. A copy stands out: its original is less than half as far as the rest.
"""

FLAT_GREY_LEVELS = 4.0
"""Standard deviation of a thumbnail below which it shows too little to tell two patients apart."""

IMAGES_PER_KEY = 4
"""Images that share a hash on average: more find more look-alikes and take longer."""

DOUBTFUL_BITS = 3
"""Bits of a hash that are tried both ways."""

PAIRS_AT_ONCE = 200_000
"""Pairs that are compared at once, which bounds the memory."""

SMALL = 64 * 64
"""Pixels of a small image."""

MOST_ROWS_IN_16_BITS = 2048
"""Rows up to which the sum of a block, 257 x 255 at most, fits into 16 bits, which takes half the time."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class ImageFacts(NamedTuple):
    """Whose image it is.

    Attributes:
        subject: as the source states it.
        split: that it is used in.
        path: to name it by in messages.
        digest: equal for equal pixels.
    """

    subject: str
    split: Split
    path: str
    digest: bytes


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey means of 8 x 8 blocks, row by row: ``(64,)``.

    Pixels on the border of two blocks count for both in proportion: without that, small images would change with every
    change of their size.

    Args:
        image: ``(h, w)`` or ``(h, w, 3)``.
    """
    return thumbnails(image[np.newaxis]).ravel()


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The :func:`thumbnail` of images of one size, ``(n, h, w)`` or ``(n, h, w, 3)``: ``(n, 64)``."""
    h, w = images.shape[1:3]
    if images.ndim == 3 and h * w <= SMALL:
        means = _blocks(h) @ (images.astype(np.float32) @ _blocks(w).T)
    else:
        rows = np.stack([_row_means(image) for image in images])
        means = (rows if images.ndim == 3 else rows @ LUMA) @ _blocks(w).T
    return np.rint(means).astype(np.uint8).reshape(len(images), -1)


def _row_means(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means over 8 blocks of rows; a matrix product would be faster for a small image, and start threads for this."""
    height = len(image)
    edges = np.linspace(0, height, SIDE + 1)
    first = np.minimum(edges.astype(np.intp), height - 1)
    part = (edges - first).astype(np.float32)
    whole = np.uint16 if height <= MOST_ROWS_IN_16_BITS else np.uint32
    sums = np.stack([image[a:b].sum(axis=0, dtype=whole) for a, b in pairwise(first.tolist())])
    cut = part.reshape(-1, *[1] * (image.ndim - 1)) * image[first]
    means: NDArray[np.float32] = (sums - cut[:-1] + cut[1:]) * np.float32(SIDE / height)
    return means


@lru_cache(maxsize=64)
def _blocks(length: int) -> NDArray[np.float32]:
    """``(8, length)``: share of every pixel in the mean of every block."""
    edges, pixels = np.linspace(0, length, SIDE + 1)[:, None], np.arange(length)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return (overlap.clip(min=0) * SIDE / length).astype(np.float32)


def audit_images(thumbnails: NDArray[np.uint8], facts: Sequence[ImageFacts]) -> list[Finding]:
    """Images that are in two splits under the names of different subjects.

    Args:
        thumbnails: ``(n, 64)``, the :func:`thumbnail` of every image.
        facts: ``n``, whose image it is.

    Returns:
        An error for every content that is in two splits; a warning for every held-out image that looks like one of
        training, or for test like one of validation. Images that show next to nothing are left out.
    """
    return [*_same(thumbnails, facts), *_near(thumbnails, facts)]


def _same(thumbnails: NDArray[np.uint8], facts: Sequence[ImageFacts]) -> Iterator[Finding]:
    found: dict[bytes, dict[Split, ImageFacts]] = defaultdict(dict)
    for row in np.flatnonzero(np.ptp(thumbnails, axis=1)).tolist():
        found[facts[row].digest].setdefault(facts[row].split, facts[row])
    for seen in found.values():
        if len(seen) > 1:
            one, other = sorted(seen.values(), key=lambda fact: -SPLITS.index(fact.split))[:2]
            yield Finding(
                "error",
                "same-image-in-two-splits",
                "",
                one.path,
                _pair(one, "has the same pixels as", other),
                "call both the same with the source's option `subject`, or leave one out",
            )


def _near(thumbnails: NDArray[np.uint8], facts: Sequence[ImageFacts]) -> Iterator[Finding]:
    shown = np.flatnonzero(thumbnails.std(axis=1) >= FLAT_GREY_LEVELS)
    number = np.array([SPLITS.index(facts[row].split) for row in shown.tolist()])
    for split in range(1, len(SPLITS)):
        held_out, known = shown[number == split], shown[number < split]
        if not len(held_out) or not len(known):
            continue
        for at, near, levels in close_pairs(thumbnails[held_out], thumbnails[known], NEAR_GREY_LEVELS):
            one, others = facts[held_out[at]], [facts[known[row]] for row in near.tolist()]
            other, distance = others[0], float(levels[0])
            alone = {fact.subject for fact in others} <= {one.subject, other.subject}
            if one.digest != other.digest and (alone or distance <= SURE_GREY_LEVELS):
                yield _look_alike(one, other, distance)


def close_pairs(
    asked: NDArray[np.uint8], known: NDArray[np.uint8], bound: float
) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.float64]]]:
    """Thumbnails that have a near neighbour among others.

    A perceptual hash finds whom to compare with: the signs of the directions in which the known thumbnails differ most.
    Signs that a small change could turn are tried both ways. Comparing all with all would take hours on a million.

    Args:
        asked: ``(n, 64)``.
        known: ``(m, 64)``.
        bound: root mean square difference in grey levels up to which a neighbour is near.

    Yields:
        Index into ``asked``, and the indices into ``known`` and differences of all that are found within twice the
        smallest difference, nearest first.
    """
    keys, probes = _hashes(asked.astype(np.float32), known.astype(np.float32))
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    first, last = (np.searchsorted(sorted_keys, probes, side) for side in ("left", "right"))
    counts = (last - first).sum(axis=1)
    for block in np.array_split(np.arange(len(asked)), 1 + int(counts.sum()) // PAIRS_AT_ONCE):
        rows = np.repeat(block, counts[block])
        others = order[_ranges(first[block].ravel(), last[block].ravel())]
        difference = asked[rows].astype(np.int16) - known[others]
        levels = np.sqrt(np.square(difference, dtype=np.int32).mean(axis=1))
        smallest = np.full(len(asked), np.inf)
        np.minimum.at(smallest, rows, levels)
        for at in block[smallest[block] <= bound].tolist():
            near = np.flatnonzero((rows == at) & (levels <= max(2 * smallest[at], 1e-9)))
            near = near[np.argsort(levels[near], kind="stable")]
            yield at, others[near], levels[near]


def _hashes(asked: NDArray[np.float32], known: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The key of every known thumbnail ``(m,)``, and the keys to look for ``(n, probes)``."""
    bits = max(0, int(math.log2(len(known) / IMAGES_PER_KEY)))
    middle = known.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(known - middle, rowvar=False, bias=True))
    widest = directions[:, ::-1][:, :bits].astype(np.float32)
    powers = 1 << np.arange(bits)
    place = (asked - middle) @ widest
    certain = (place > 0) @ powers
    doubtful = powers[np.argsort(np.abs(place), axis=1)[:, :DOUBTFUL_BITS]]
    subsets = np.array(list(product((0, 1), repeat=doubtful.shape[1])), np.int64)
    return ((known - middle) @ widest > 0) @ powers, certain[:, None] ^ (doubtful @ subsets.T)


def _ranges(first: NDArray[np.intp], last: NDArray[np.intp]) -> NDArray[np.intp]:
    """The numbers of several ranges, one after the other."""
    lengths = last - first
    starts = np.repeat(first - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
    return starts + np.arange(lengths.sum())


def _look_alike(one: ImageFacts, other: ImageFacts, grey_levels: float) -> Finding:
    return Finding(
        "warning",
        "look-alikes-in-two-splits",
        "",
        one.path,
        f"{_pair(one, 'looks like', other)}: their thumbnails differ by {grey_levels:.1f} grey levels",
        "look at both: if they are one patient, call both the same with the source's option `subject`",
    )


def _pair(one: ImageFacts, is_like: str, other: ImageFacts) -> str:
    return f"an image of {one.subject!r} in {one.split} {is_like} {other.path} of {other.subject!r} in {other.split}"
