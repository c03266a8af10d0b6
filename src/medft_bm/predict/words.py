"""What is said of a prediction, for people and for programs: of the file only geometry, never its name or header."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medft_bm.evaluate.replies import Reply
from medft_bm.predict.answer import Answer
from medft_bm.predict.ask import Asked
from medft_bm.predict.picture import RESEARCH
from medft_bm.predict.place import Place, Shown


def facts(asked: Asked, reply: Reply, answer: Answer | None) -> dict[str, Any]:
    """Everything, as plain JSON."""
    shown, index = asked.shown, asked.place.index
    return {
        "reply": reply.text,
        "finished": reply.finished,
        "answer": answer.as_json() if answer else None,
        "why_not": answer.why if answer else "",
        "question": asked.prompt,
        "image": {
            "size_px": vars(shown.size),
            "spacing_mm": vars(shown.spacing) if shown.spacing else None,
            "slice": None if index is None else {"plane": asked.place.plane, "axis": shown.ref.axis, "index": index},
            "window": shown.ref.window,
            "seen_px": vars(asked.view.size),
        },
        "notes": [*asked.notes, RESEARCH],
    }


def lines(asked: Asked, reply: Reply, answer: Answer | None) -> Iterator[str]:
    """The same, one thing a line."""
    cut = "" if reply.finished else "  (cut off: raise --max-new-tokens)"
    yield f"reply     {reply.text.strip() or '(empty)'}{cut}"
    if answer:
        yield f"answer    {answer.words}"
    yield f"question  {asked.prompt}"
    seen = asked.view.size
    yield f"image     {image_words(asked.place, asked.shown)}; the model sees {seen.h} x {seen.w}"
    yield from (f"note      {note}" for note in (*asked.notes, RESEARCH))


def image_words(place: Place, shown: Shown) -> str:
    """Which image it is and how it is shown, in one line."""
    where = f", {place.plane} slice {place.index}" if place.plane else ""
    pixel = f"pixel {shown.spacing.y:.4g} x {shown.spacing.x:.4g} mm" if shown.spacing else "pixel size unknown"
    size = f"{shown.size.h} x {shown.size.w} px (height x width)"
    return f"{size}{where}, {pixel}, window {shown.ref.window}"
