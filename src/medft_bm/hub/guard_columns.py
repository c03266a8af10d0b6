"""Columns of a million texts, of which few deserve a look at every word.

Most of such texts differ in their numbers alone. Arrow shortens them to two forms, of which few are distinct, and in
which everything can be seen that could be found in the texts: one has zeros for what holds a digit, the other holds
nothing but words with a digit that are no plain numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from medft_bm.hub.guard_names import REMEMBERED, Known
from medft_bm.hub.guard_patterns import matches
from medft_bm.hub.guard_texts import plain

_HOLDS_DIGIT, _ZEROS = r"[A-Za-z]*[0-9][A-Za-z0-9]*", "0" * 8
"""Eight, because that passes for a date, for the number of a patient and for the start of a key."""
_BETWEEN = r"[^\w.^'/:+\-\x{80}-\x{10FFFF}]"
_NO_NAME = r"[A-Za-z_.^'/:+\-\x{80}-\x{10FFFF}]+|[:+\-]*(?:(?:0|[1-9]\d{0,2})\.\d+(?:e[+-]?\d+)?|\d{1,4})"
_WITHOUT_DIGIT = rf"{_BETWEEN}+(?:(?:{_NO_NAME})?{_BETWEEN}+)*"
FORMS = ((_HOLDS_DIGIT, _ZEROS), (_WITHOUT_DIGIT, " "))
"""Patterns, in the language of RE2, and what takes their place; whatever guard_names and guard_patterns look for is
still there in one of the two forms."""


class Sieve:
    """Keeps back the texts in which nothing can be found.

    Args:
        known: identifiers to look for.
    """

    def __init__(self, known: Known) -> None:
        self.known = known
        self._clean: set[str] = set()

    def suspicious(self, values: Any) -> list[str]:
        """The texts that hold what must not leave, and some that only look so from afar.

        Args:
            values: texts, as Arrow holds them.
        """
        import pyarrow.compute

        if not len(values):
            return []
        raw = values.buffers()[2].to_pybytes()
        if b"\\" in raw:
            values = pyarrow.array([plain(text) for text in values.to_pylist()], values.type)
            raw = values.buffers()[2].to_pybytes()
        marked = [pyarrow.compute.match_substring(values, path) for path in self.known.paths if path.encode() in raw]
        for pattern, instead in FORMS:
            forms = pyarrow.compute.replace_substring_regex(values, pattern, instead)
            if bad := self._bad(forms.unique().to_pylist()):
                marked.append(pyarrow.compute.is_in(forms, pyarrow.array(bad, forms.type)))
        return values.filter(reduce(pyarrow.compute.or_, marked)).to_pylist() if marked else []

    def _bad(self, forms: Sequence[str]) -> list[str]:
        new = [form for form in forms if form not in self._clean]
        bad = [form for form in new if self._holds(form)] if self._holds("\n".join(new)) else []
        if len(self._clean) > REMEMBERED:
            self._clean.clear()
        self._clean.update({*new}.difference(bad))
        return bad

    def _holds(self, text: str) -> bool:
        return any(True for _ in self.known.found_in(text)) or any(True for _ in matches(text))
