"""Free questions about one image, with everything said before in mind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from medft_bm.core.errors import MedftError
from medft_bm.evaluate.backends.transformers import GREEDY
from medft_bm.models.base import Loaded
from medft_bm.models.chat import Message, answer_messages, encode_prompts, prompt_messages


@dataclass
class Conversation:
    """One image and what was said about it; replies are greedy.

    Attributes:
        loaded: model and processor.
        image: RGB; shown before the first question.
        max_new_tokens: budget per reply.
        messages: said so far.
    """

    loaded: Loaded
    image: Image.Image
    max_new_tokens: int
    messages: list[Message] = field(default_factory=list)

    def ask(self, text: str, streamer: Any = None) -> str:
        """The reply; it becomes part of the conversation.

        Args:
            text: the question.
            streamer: of transformers; is given every token as it comes.

        Raises:
            MedftError: the accelerator is out of memory.
        """
        import torch

        model, processor = self.loaded.model, self.loaded.processor
        turn = prompt_messages(text) if not self.messages else _later(text)
        asked = [*self.messages, *turn]
        encoded = encode_prompts(processor, [asked], [self.image]).to(model.device, dtype=model.dtype)
        try:
            with torch.no_grad():
                ids = model.generate(**encoded, **GREEDY, max_new_tokens=self.max_new_tokens, streamer=streamer)
        except torch.cuda.OutOfMemoryError as error:
            what, fix = "out of accelerator memory", "/reset forgets what was said, which takes memory"
            raise MedftError(what, where="medft chat", fix=fix) from error
        said = ids[0, encoded["input_ids"].shape[1] :]
        reply = str(processor.tokenizer.decode(said, skip_special_tokens=True))
        self.messages = [*asked, *answer_messages(reply)]
        return reply


def _later(text: str) -> list[Message]:
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]
