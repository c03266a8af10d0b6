"""Numbers that stand alone, in just the form that was asked for: nearly all that a fine-tuned model replies.

A short cut, no rule of its own: what it reads, the long way reads too, to the same value. Everything else, and whatever
could mean something else, is left to the long way.
"""

from __future__ import annotations

import re

_NUMBER = r"\d{1,4}(?:\.\d{1,6})?"
_NUMBERS = rf"({_NUMBER}(?:, {_NUMBER})*)"
LENGTHS = re.compile(rf"{_NUMBERS}(?: ?mm)?\.?", re.ASCII)
ANGLE = re.compile(rf"{_NUMBERS}(?: ?°| degrees?)?\.?", re.ASCII)
BOX = re.compile(rf"\[{_NUMBERS}\]\.?", re.ASCII)


def alone(reply: str, form: re.Pattern[str], count: int) -> list[str]:
    """The numbers of a reply as they are written, where it holds nothing but ``count`` of them in one of the forms.

    Returns:
        Empty for any other reply.
    """
    match = form.fullmatch(reply.strip())
    written = match[1].split(", ") if match else []
    return written if len(written) == count else []
