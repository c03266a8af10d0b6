"""Messages in, batches out: the one way in which prompts are encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from PIL import Image

Message: TypeAlias = dict[str, Any]


def prompt_messages(text: str) -> list[Message]:
    """One user turn: the image, then the question."""
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]


def answer_messages(text: str) -> list[Message]:
    """One assistant turn."""
    return [{"role": "assistant", "content": [{"type": "text", "text": text}]}]


def prompt_texts(processor: Any, prompts: Sequence[Sequence[Message]]) -> list[str]:
    """Prompts as the chat template writes them, up to the point where the model speaks."""
    return [
        str(processor.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False))
        for messages in prompts
    ]


def encode_prompts(processor: Any, prompts: Sequence[Sequence[Message]], images: Sequence[Image.Image]) -> Any:
    """Batch for ``model.generate``, one RGB image per prompt.

    Padding is on the left, because both families continue from the last position; the template already writes the
    beginning-of-text token, so the tokenizer must not add a second one.
    """
    return processor(
        text=prompt_texts(processor, prompts),
        images=[[image] for image in images],
        padding=True,
        padding_side="left",
        add_special_tokens=False,
        return_tensors="pt",
    )
