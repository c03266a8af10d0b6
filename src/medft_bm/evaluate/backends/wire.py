"""Questions and replies in the words of the chat completions protocol."""

from __future__ import annotations

import base64
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import Reply
from medft_bm.prepare.png import png

Message: TypeAlias = dict[str, Any]

UNFINISHED = ("length", "content_filter", None)
"""Reasons to stop that are no end of turn."""


def messages_of(question: Question) -> list[Message]:
    """The system turn, the shots and the question, every image before its text, as a local model is asked too."""
    turns = [{"role": "system", "content": question.system}] if question.system else []
    for shot in question.shots:
        turns += [_asked(shot.prompt, shot.picture()), {"role": "assistant", "content": shot.answer}]
    return [*turns, _asked(question.prompt, question.picture())]


def data_url(image: Image.Image) -> str:
    """The image as PNG, so without loss, inside a URL; from its pixels alone, without notes of the original file."""
    return "data:image/png;base64," + base64.b64encode(png(np.asarray(image.convert("RGB")))).decode()


def reply_of(question: Question, completion: Any) -> Reply:
    """What a completion says; a refusal's own words are the reply, and the turn then counts as unfinished.

    Raises:
        ValueError: the server answered something that is no chat completion.
    """
    try:
        choice = completion.choices[0]
        message = choice.message
        said, refusal = message.content, getattr(message, "refusal", None)
    except (AttributeError, TypeError, IndexError) as error:
        raise ValueError("the answer is no chat completion") from error
    if not isinstance(said, str | None) or not isinstance(refusal, str | None):
        raise ValueError("the content of the answer is no text")
    finished = choice.finish_reason not in UNFINISHED and not refusal
    return Reply(question.uid, said or refusal or "", _count(completion, "completion_tokens") or 0, finished)


def used(completion: Any) -> tuple[int | None, int | None]:
    """Tokens of prompt and reply, as the server counts them."""
    return _count(completion, "prompt_tokens"), _count(completion, "completion_tokens")


def is_withheld(completion: Any) -> bool:
    """Whether a content filter or the model refused to answer."""
    choice = completion.choices[0]
    return choice.finish_reason == "content_filter" or bool(getattr(choice.message, "refusal", None))


def _asked(text: str, image: Image.Image) -> Message:
    picture = {"type": "image_url", "image_url": {"url": data_url(image)}}
    return {"role": "user", "content": [picture, {"type": "text", "text": text}]}


def _count(completion: Any, name: str) -> int | None:
    count = getattr(getattr(completion, "usage", None), name, None)
    return count if isinstance(count, int) else None
