"""Samples and views as JSON text, the form in which rows keep what scoring needs."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.types import ImageRef, Sample, Split, View
from medft_bm.prepare.entries import Entry

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode

# Where the text of a sample can be cut: inside of a name, the quotes would be escaped.
_TASK, _TRUTH, _TAGS = ',"task":', ',"truth":', ',"tags":'


def dump_sample(entry: Entry, uid: str, subject: str, split: Split, row: int) -> str:
    """One line of JSON without the subject's name and without the path, which often holds it.

    Args:
        entry: the sample; every float stays as it was, so that reading it back gives the same bits.
        uid: to go by from now on.
        subject: the name that hides the subject's.
        split: where it was placed.
        row: of the image table.
    """
    image = entry.image
    axis, index = ("null" if number is None else number for number in (image.axis, image.index))
    # None of these can hold a character that JSON escapes, and there are millions of lines.
    return (
        f'{{"uid":"{uid}","subject":"{subject}","split":"{split}","image":{{"path":"image-{row}","axis":{axis},'
        f'"index":{index},"frame":"{image.frame}","window":"{image.window}"}},{entry.text[1:]}'
    )


def size_spacing_tags(text: str) -> tuple[dict[str, int], dict[str, float] | None, dict[str, str]]:
    """Three facts of the text of an :class:`Entry`, without parsing what millions of entries share again and again."""
    before, _, rest = text.partition(_TRUTH)
    facts = _parsed(f"{before}}}")
    return facts["size"], facts["spacing"], _tags(rest, _decode(rest)[1])


def _tags(rest: str, end: int) -> dict[str, str]:
    """The tags, from the text that begins with the truth, and where the truth ends."""
    return _parsed(rest[end + len(_TAGS) : -1])


@lru_cache(maxsize=4096)
def _parsed(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(text)
    return facts


def load_sample(text: str) -> Sample:
    """The sample that :func:`dump_sample` wrote; what many samples share is parsed once."""
    place, _, rest = text.partition(_TASK)
    alike, _, rest = rest.partition(_TRUTH)
    truth, end = _decode(rest)
    own = _decode(f"{place}}}")[0]
    task, source, size, spacing = _alike(alike)
    return Sample(
        uid=own["uid"],
        task=task,
        source=source,
        subject=own["subject"],
        image=ImageRef(**own["image"]),
        size=size,
        spacing=spacing,
        truth=truth,
        tags=_tags(rest, end),
        split=own["split"],
    )


@lru_cache(maxsize=4096)
def _alike(text: str) -> tuple[str, str, Size, Spacing | None]:
    facts = json.loads(f'{{"task":{text}}}')
    return facts["task"], facts["source"], Size(**facts["size"]), _spacing(facts["spacing"])


def dump_view(view: View) -> str:
    """One line of JSON."""
    return _encode(asdict(view))


@lru_cache(maxsize=4096)
def load_view(text: str) -> View:
    """The view that :func:`dump_view` wrote; images of one size share one."""
    facts: dict[str, Any] = json.loads(text)
    moved = facts["from_slice"]
    pixel_map = PixelMap(**{**moved, "src": Size(**moved["src"]), "dst": Size(**moved["dst"])})
    return View(
        **{**facts, "size": Size(**facts["size"]), "spacing": _spacing(facts["spacing"]), "from_slice": pixel_map}
    )


def _spacing(facts: dict[str, float] | None) -> Spacing | None:
    return None if facts is None else Spacing(**facts)
