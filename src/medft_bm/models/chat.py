"""Messages in, batches out: the one way in which prompts are encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from PIL import Image

from medft_bm.core.errors import ConfigError

Message: TypeAlias = dict[str, Any]


def system_messages(text: str) -> list[Message]:
    """One system turn, or none for an empty text."""
    return [{"role": "system", "content": [{"type": "text", "text": text}]}] if text else []


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


def answer_text(processor: Any, prompt: Sequence[Message], answer: str) -> str:
    """What the chat template adds to a prompt for an answer: its text, the end of the turn, and what follows that.

    Raises:
        ConfigError: the template writes an answered prompt in another way than one that waits for its answer.
    """
    asked = prompt_texts(processor, [prompt])[0]
    whole = str(processor.apply_chat_template([*prompt, *answer_messages(answer)], tokenize=False))
    if not whole.startswith(asked):
        raise ConfigError(
            "the chat template rewrites a prompt once it is answered, so no answer can be weighed as the model's own",
            where="evaluate.probabilities",
            fix="set evaluate.probabilities=false",
        )
    return whole.removeprefix(asked)


def require_turns(processor: Any, prompt: Sequence[Message]) -> None:
    """Whether the chat template says everything that a prompt holds, turn by turn.

    Raises:
        ConfigError: the template refuses a turn, or leaves one out.
    """
    from jinja2 import TemplateError

    turns = [(str(one["role"]), _text(one).strip()) for one in prompt]
    try:
        written, place = prompt_texts(processor, [prompt])[0], 0
        for role, text in turns:
            found = written.find(text, place)
            if found < 0:
                raise TemplateError(f"it leaves out the {role} turn {text[:40]!r}")
            place = found + len(text)
    except TemplateError as error:
        key = "evaluate.system" if turns[0][0] == "system" else "evaluate.shots"
        raise ConfigError(
            f"the chat template of this model cannot show what is said before the question: {error}",
            where=key,
            fix=f"leave {key} unset for this model",
        ) from error


def encode_prompts(processor: Any, prompts: Sequence[Sequence[Message]], images: Sequence[Image.Image]) -> Any:
    """Batch for ``model.generate``.

    Padding is on the left, because both families continue from the last position; the template already writes the
    beginning-of-text token, so the tokenizer must not add a second one.

    Args:
        processor: of the model.
        prompts: messages of each prompt.
        images: in RGB, in the order in which the prompts show them, those of all prompts in one list.
    """
    left = iter(images)
    return processor(
        text=prompt_texts(processor, prompts),
        images=[[next(left) for _ in range(_images(messages))] for messages in prompts],
        padding=True,
        padding_side="left",
        add_special_tokens=False,
        return_tensors="pt",
    )


def _images(messages: Sequence[Message]) -> int:
    return sum(piece["type"] == "image" for message in messages for piece in message["content"])


def _text(message: Message) -> str:
    return next(str(piece["text"]) for piece in message["content"] if piece["type"] == "text")
