"""Load what leaves as others will: by the plain classes of transformers and PEFT, and hear what they complain about."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medft_bm.core.errors import MedftError

QUIET = ("is_gradient_checkpointing", "torch_dtype` is deprecated", "use_fast")
"""Parts of messages about the libraries themselves, which say nothing of a checkpoint."""
FIX = "nothing was sent; make the folder again with `medft train` or `medft merge`"
SHOWN = 5
_ORNAMENT = re.compile(r"\x1b\[[\d;]*m|[-+|]{3,}")
"""Colours and rules of the tables that transformers prints."""


class _Heard(logging.Handler):
    """Keeps what loggers say."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect what transformers, PEFT and Python warn about; filled when the block is left."""
    heard = _Heard()
    said: list[str] = []
    loggers = [logging.getLogger(name) for name in ("transformers", "peft")]
    for logger in loggers:
        logger.addHandler(heard)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield said
    finally:
        messages = [*heard.said, *(str(one.message) for one in caught if issubclass(one.category, UserWarning))]
        said += [text for text in dict.fromkeys(messages) if not any(part in text for part in QUIET)]
        for logger in loggers:
            logger.removeHandler(heard)


def load_plain(checkpoint: str, revision: str | None, dtype: str, *, beside: Path | None = None) -> tuple[Any, Any]:
    """Model and processor, by the Auto classes alone.

    Args:
        checkpoint: folder or Hub id.
        revision: on the Hub.
        dtype: ``bfloat16`` or ``float32``.
        beside: folder of an adapter, whose processor is loaded instead of the checkpoint's.

    Raises:
        MedftError: it does not load, or not without a complaint.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    try:
        with listening() as said:
            processor = AutoProcessor.from_pretrained(beside or checkpoint, revision=None if beside else revision)
            model, keys = AutoModelForImageTextToText.from_pretrained(
                checkpoint, revision=revision, dtype=getattr(torch, dtype), output_loading_info=True
            )
    except Exception as error:  # a damaged file comes out of safetensors or tokenizers as anything
        what = f"plain transformers cannot load it: {_words(error, said)}"
        raise MedftError(what, where=checkpoint, fix=FIX) from error
    _require_no_keys(keys, checkpoint)
    _require_silence(said, "transformers", checkpoint)
    return model.eval(), processor


def load_plain_adapter(base: Any, folder: Path) -> Any:
    """The base with the adapter on it, by PEFT alone.

    Raises:
        MedftError: it does not load, or not without a complaint.
    """
    from peft import PeftModel

    try:
        with listening() as said:
            model = PeftModel.from_pretrained(base, str(folder))
            found = model.load_adapter(str(folder), "again")  # says which keys found no place
            model.delete_adapter("again")
            model.set_adapter("default")
    except Exception as error:  # likewise
        what = f"plain PEFT cannot load it: {_words(error, said)}"
        raise MedftError(what, where=str(folder), fix=FIX) from error
    missing = [key for key in found.missing_keys if "again" in key]
    _require_no_keys({"missing_keys": missing, "unexpected_keys": found.unexpected_keys}, str(folder))
    _require_silence(said, "PEFT", str(folder))
    return model.eval()


def _words(error: Exception, said: list[str]) -> str:
    """An error with what was said before it, which often names the tensor; some errors are a key and no sentence."""
    words = [f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error), *said]
    return " ".join(_ORNAMENT.sub(" ", " ".join(words)).split())[:600]


def _require_no_keys(keys: dict[str, Any], where: str) -> None:
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        names = sorted(str(key[0] if isinstance(key, tuple) else key) for key in keys.get(kind) or ())
        if names:
            shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
            raise MedftError(f"{len(names)} {kind.replace('_', ' ')}: {shown}", where=where, fix=FIX)


def _require_silence(said: list[str], who: str, where: str) -> None:
    if said:
        words = " ".join(said[0].split())[:300]
        raise MedftError(f"{who} complains while it loads: {words}", where=where, fix=FIX)
