"""The picture of a prediction: the image in its true proportions, what was found on it, a scale bar, the reply."""

from __future__ import annotations

import os
from pathlib import Path

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.evaluate.report.overlay import draw_prediction
from medft_bm.predict.answer import Answer
from medft_bm.predict.place import Shown

RESEARCH = "for research only, not for diagnosis"


def require_writable(out: Path, image: Path) -> None:
    """Refuse a file that could not be written, before the model is loaded.

    Raises:
        ConfigError: not a PNG, no such folder or not a writable one, or the image itself.
    """
    if out.suffix.lower() != ".png":
        raise ConfigError(f"{out.name!r} is no PNG", where="--overlay", fix="give a name that ends in .png")
    if out.resolve() == image.resolve():
        raise ConfigError("this is the image itself", where="--overlay", fix="give another name")
    if not os.access(out.parent, os.W_OK | os.X_OK) or not out.parent.is_dir() or out.is_dir():
        fix = "give a file in a folder that can be written"
        raise ConfigError(f"{str(out)!r} cannot be written", where="--overlay", fix=fix)


def write_overlay(out: Path, shown: Shown, answer: Answer | None, reply: str) -> None:
    """Write the picture: complete, or not at all; nothing of the file's name or header is in it.

    A length and an angle have no place of their own, so only a box is drawn.

    Raises:
        DataError: the file cannot be written.
    """
    notes = [answer.words] if answer else []
    box = answer.box if answer else None
    picture = draw_prediction(shown.image, shown.spacing, box, reply, *notes, RESEARCH)
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        picture.save(draft, "PNG")
        draft.replace(out)
    except OSError as error:
        draft.unlink(missing_ok=True)
        what = f"the picture cannot be written: {error.strerror or error}"
        raise DataError(what, where=str(out), fix="give a file in a folder that can be written") from error
