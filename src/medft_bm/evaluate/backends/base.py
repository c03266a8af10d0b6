"""What every backend offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

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
            BatchError: only some questions were answered.
        """
        ...

    def about(self) -> Mapping[str, Any]:
        """Facts for the report, as plain JSON: ``model`` (what identifies it), ``device``, ``dtype``, ``remarks``."""
        ...


@runtime_checkable
class Rechecks(Protocol):
    """A backend whose identity cannot hold the content of its model, so that kept replies need a check."""

    def still_says(self, kept: Sequence[tuple[Question, Reply]]) -> bool:
        """Whether the model behind it is still the one that gave these replies, as far as asking again can tell.

        Raises:
            MedftError: the model cannot be asked.
        """
        ...


class BatchError(Exception):
    """A batch of which only a part was answered.

    Args:
        replies: those that came, by the place of their question in the batch; they are worth keeping.
        reason: why the others did not, to be raised once the replies are safe.
    """

    def __init__(self, replies: Mapping[int, Reply], reason: BaseException) -> None:
        super().__init__(str(reason))
        self.replies = replies
        self.reason = reason
