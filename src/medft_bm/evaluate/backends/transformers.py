"""A model in this process: greedy, in batches that do not change what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from medft_bm.core.errors import MedftError
from medft_bm.evaluate.fingerprint import model_fingerprint
from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import Reply
from medft_bm.models.base import Loaded
from medft_bm.models.chat import encode_prompts, prompt_messages

# Checkpoints ship sampling defaults, which transformers fills in for whatever is left unset: set them all.
GREEDY = {
    "do_sample": False,
    "num_beams": 1,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 50,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "length_penalty": 1.0,
}


@dataclass(frozen=True)
class Transformers:
    """A model of transformers.

    Prompts are padded on the left and masked, so the batch size changes no reply (in bfloat16 two tokens of almost
    equal probability may still swap).

    Attributes:
        loaded: model, on the device it is to run on, and processor.
        max_new_tokens: budget per reply.
        batch: prompts at a time.
    """

    loaded: Loaded
    max_new_tokens: int
    batch: int

    @cached_property
    def weights(self) -> str:
        """What identifies the model by its content."""
        return model_fingerprint(self.loaded)

    def identity(self) -> Mapping[str, Any]:
        """Content of the model, precision, budget and decoding."""
        dtype = str(self.loaded.model.dtype)
        fingerprint = f"{self.weights}-{dtype}"
        return {"fingerprint": fingerprint, "max_new_tokens": self.max_new_tokens, "decoding": "greedy"}

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """The model's reply to every question, as one batch; the model is in evaluation mode afterwards.

        Raises:
            MedftError: the accelerator is out of memory.
        """
        import torch

        model, processor = self.loaded.model.eval(), self.loaded.processor
        prompts = [prompt_messages(question.prompt) for question in questions]
        encoded = encode_prompts(processor, prompts, [question.picture() for question in questions])
        encoded = encoded.to(model.device, dtype=model.dtype)
        try:
            # Not inference_mode: what a model keeps of that, like gathered shards, could not be trained on afterwards.
            with torch.no_grad():
                ids = model.generate(**encoded, **GREEDY, max_new_tokens=self.max_new_tokens, use_cache=True)
        except torch.cuda.OutOfMemoryError as error:
            raise MedftError(
                f"out of accelerator memory with {len(questions)} prompts at a time",
                where="evaluate.batch",
                fix=f"set evaluate.batch={max(1, len(questions) // 2)}; replies so far are kept",
            ) from error
        new = ids[:, encoded["input_ids"].shape[1] :].tolist()
        ends = _end_tokens(self.loaded)
        return [_reply(processor, question, tokens, ends) for question, tokens in zip(questions, new, strict=True)]

    def about(self) -> Mapping[str, Any]:
        """Content of the model, precision and device."""
        import torch

        model = self.loaded.model
        name = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else str(model.device.type)
        return {"model": self.weights, "dtype": str(model.dtype).removeprefix("torch."), "device": name}


def _reply(processor: Any, question: Question, tokens: list[int], ends: set[int]) -> Reply:
    stop = next((index for index, token in enumerate(tokens) if token in ends), None)
    said = tokens if stop is None else tokens[:stop]
    text = processor.tokenizer.decode(said, skip_special_tokens=True)
    return Reply(question.uid, str(text), len(said) + (stop is not None), stop is not None)


def _end_tokens(loaded: Loaded) -> set[int]:
    """Tokens that end a turn, as ``generate`` itself knows them."""
    ends = loaded.model.generation_config.eos_token_id
    if ends is None:
        ends = loaded.processor.tokenizer.eos_token_id
    return set(ends) if isinstance(ends, list | tuple) else {ends}
