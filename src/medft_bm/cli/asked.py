"""What predicting and chatting share on the command line: who answers, which image, and words of several parts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.core.geometry import Spacing


def add_model(verb: argparse.ArgumentParser) -> None:
    """The arguments that say who answers."""
    which = ["base", "adapter", "merged"]
    words = "run folder; or folder or Hub id of a model or an adapter"
    verb.add_argument("--model", required=True, metavar="MODEL", help=words)
    verb.add_argument("--weights", choices=which, help="of a run folder (default: merged, else adapter)")
    verb.add_argument("--base", default="", metavar="MODEL", help="of an adapter, in place of the one it names")
    verb.add_argument("--revision", metavar="NAME", help="branch, tag or commit of MODEL on the Hub")


def add_image(verb: argparse.ArgumentParser) -> None:
    """The arguments that say how the image is shown."""
    image = verb.add_argument_group("the image")
    image.add_argument("--slice", default="", metavar="PLANE:INDEX", help="of a volume, like axial:42; from 0")
    image.add_argument("--spacing", metavar="MM", help="pixel size of a picture: 0.7, or 0.7,0.5 (height, width)")
    image.add_argument("--window", default="", help="intensity window, like ct_soft_tissue (default: as in training)")
    image.add_argument("--tag", action="append", default=[], metavar="NAME=VALUE", help="like modality=CT; repeatable")


def spacing_of(text: str | None) -> Spacing | None:
    """Pixel size from ``0.7`` or ``0.7,0.5`` (height, width).

    Raises:
        ConfigError: not one or two positive numbers.
    """
    if text is None:
        return None
    try:
        y, x = [float(number) for number in (text.split(",") * 2)[:2]]
        if text.count(",") > 1:
            raise ValueError("more than two numbers")
        return Spacing(y, x)
    except (ValueError, MedftError) as error:
        fix = "one number in mm, or two: height,width"
        raise ConfigError(f"{text!r} is no pixel size in mm", where="--spacing", fix=fix) from error


def require_utf8(text: str, where: str) -> None:
    """Refuse what a terminal or file of another encoding gave; no tokenizer takes it.

    Raises:
        ConfigError: not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        fix = "write it anew, or convert the file, for example with iconv"
        raise ConfigError("this is not UTF-8 text", where=where, fix=fix) from error


def pairs_of(words: Sequence[str], option: str) -> dict[str, str]:
    """``NAME=VALUE`` words as a mapping.

    Raises:
        ConfigError: a word of another form.
    """
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"{word!r} is not NAME=VALUE", where=option, fix=f"like {option} name=value")
        pairs[name] = value
    return pairs


def listed(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name for name in map(str.strip, text.split(",")) if name)
