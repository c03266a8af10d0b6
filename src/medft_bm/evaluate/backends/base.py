"""What every backend offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import Reply


class Backend(Protocol):
    """Answers questions."""

    @property
    def batch(self) -> int:
        """How many questions it is best given at a time."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """Everything that may change a reply, the model's content included, as plain JSON.

        Replies made under another identity are never taken for this one's.
        """
        ...

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """The reply to every question, in their order.

        Raises:
            MedftError: the model cannot be asked; replies of earlier calls are safe.
        """
        ...

    def about(self) -> Mapping[str, Any]:
        """Facts for the report, as plain JSON: ``model`` (what identifies it), ``device``, ``dtype``, cost."""
        ...
