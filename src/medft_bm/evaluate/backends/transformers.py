"""A model in this process: greedy, in batches that do not change what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from medft_bm.core.errors import MedftError
from medft_bm.evaluate.backends.likelihoods import candidate_tokens, log_likelihoods, probabilities
from medft_bm.evaluate.fingerprint import model_fingerprint
from medft_bm.evaluate.questions import Picture, Question
from medft_bm.evaluate.replies import Reply
from medft_bm.models.base import Loaded
from medft_bm.models.chat import (
    Message,
    answer_messages,
    encode_prompts,
    prompt_messages,
    require_turns,
    system_messages,
)

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
    "cache_implementation": None,
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
        files: digests of the weights on disk that the replies speak for; see
            :func:`~medft_bm.models.content.weights_in`.
    """

    loaded: Loaded
    max_new_tokens: int
    batch: int
    files: Sequence[str] = ()

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
            ConfigError: the chat template cannot show what is said before a question.
            MedftError: the accelerator is out of memory.
        """
        import torch

        self.loaded.model.eval()
        prompts = [conversation(question) for question in questions]
        if questions[0].system or questions[0].shots:
            require_turns(self.loaded.processor, prompts[0])
        pictures = [picture() for question in questions for picture in pictures_of(question)]
        encoded = encode_prompts(self.loaded.processor, prompts, pictures)
        encoded = encoded.to(self.loaded.model.device, dtype=self.loaded.model.dtype)
        try:
            # Not inference_mode: what a model keeps of that, like gathered shards, could not be trained on afterwards.
            with torch.no_grad():
                if not any(question.candidates for question in questions):
                    return self._replies(questions, self._said(encoded, self.max_new_tokens))
                return self._weighed(questions, prompts, encoded)
        except torch.cuda.OutOfMemoryError as error:
            raise MedftError(
                f"out of accelerator memory with {len(questions)} prompts at a time",
                where="evaluate.batch",
                fix=f"set evaluate.batch={max(1, len(questions) // 2)}; replies so far are kept",
            ) from error

    def _said(self, encoded: Any, budget: int, **more: Any) -> Any:
        """Tokens ``(prompts, at most budget)`` of the replies."""
        ids = self.loaded.model.generate(**encoded, **GREEDY, **more, max_new_tokens=budget, use_cache=True)
        return ids[:, encoded["input_ids"].shape[1] :]

    def _weighed(self, questions: Sequence[Question], prompts: Sequence[list[Message]], encoded: Any) -> list[Reply]:
        """Replies with probabilities; the prompts go through the model once, and the rest continues their cache."""
        import torch

        model, ends = self.loaded.model, _end_tokens(self.loaded)
        kept = {"return_dict_in_generate": True, "output_logits": True}
        asked = model.generate(**encoded, **GREEDY, **kept, max_new_tokens=1, use_cache=True)
        candidates = [
            [candidate_tokens(self.loaded, prompt, candidate, ends) for candidate in question.candidates]
            for question, prompt in zip(questions, prompts, strict=True)
        ]
        found = log_likelihoods(model, asked, encoded, candidates)
        mask = torch.nn.functional.pad(encoded["attention_mask"], (0, 1), value=1)
        said = asked.sequences[:, encoded["input_ids"].shape[1] :]
        if self.max_new_tokens > 1:
            begun = {"input_ids": asked.sequences, "attention_mask": mask}
            rest = self._said(begun, self.max_new_tokens - 1, past_key_values=asked.past_key_values)
            said = torch.cat([said, rest], dim=1)
        replies = self._replies(questions, said)
        return [
            replace(reply, probabilities=probabilities(one)) if question.candidates else reply
            for reply, question, one in zip(replies, questions, found, strict=True)
        ]

    def _replies(self, questions: Sequence[Question], said: Any) -> list[Reply]:
        ends = _end_tokens(self.loaded)
        processor = self.loaded.processor
        return [_reply(processor, one, tokens, ends) for one, tokens in zip(questions, said.tolist(), strict=True)]

    def about(self) -> Mapping[str, Any]:
        """Content of the model, its files, precision and device."""
        import torch

        model = self.loaded.model
        name = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else str(model.device.type)
        files = {"files": list(self.files)} if self.files else {}
        return {"model": self.weights, **files, "dtype": str(model.dtype).removeprefix("torch."), "device": name}


def conversation(question: Question) -> list[Message]:
    """Everything that is said up to the reply, as messages."""
    turns = [turn for shot in question.shots for turn in (*prompt_messages(shot.prompt), *answer_messages(shot.answer))]
    return [*system_messages(question.system), *turns, *prompt_messages(question.prompt)]


def pictures_of(question: Question) -> list[Picture]:
    """The images in the order in which the conversation shows them."""
    return [*(shot.picture for shot in question.shots), question.picture]


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
