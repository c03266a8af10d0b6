"""How probable a model finds every answer of a closed set."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from medft_bm.models.base import Loaded
from medft_bm.models.chat import Message, answer_text


def candidate_tokens(loaded: Loaded, prompt: Sequence[Message], candidate: str, ends: set[int]) -> list[int]:
    """Tokens of an answer as it is trained on, up to the end of turn, which is the last of them.

    Args:
        loaded: model and processor.
        prompt: messages before the answer.
        candidate: the answer.
        ends: tokens that end a turn.

    Raises:
        ConfigError: the chat template writes an answered prompt in another way than an open one.
    """
    text = answer_text(loaded.processor, prompt, candidate)
    tokens: list[int] = loaded.processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    stop = next((index for index, token in enumerate(tokens) if token in ends), len(tokens) - 1)
    return tokens[: stop + 1]


def log_likelihoods(model: Any, asked: Any, prompts: Any, candidates: Sequence[Sequence[Sequence[int]]]) -> list[Any]:
    r"""Natural logarithm of the probability of every candidate as the whole reply: :math:`\sum_t \log p(y_t | y_{<t})`.

    The end of turn is one of the :math:`y_t`, so the probabilities of all replies there are sum to 1, and those of long
    answers need no correction for their length. Every candidate continues a copy of the prompts' keys and values: the
    images are not looked at again.

    Args:
        model: in evaluation mode.
        asked: what ``generate`` returned about these prompts for one token, with its logits and its cache.
        prompts: the batch they came in, padded on the left.
        candidates: tokens of each candidate of each prompt; a prompt may have none.

    Returns:
        One tensor per prompt, float64, with as many numbers as it has candidates.
    """
    import torch

    first = asked.logits[0].double().log_softmax(-1)
    found: list[list[Any]] = [[] for _ in candidates]
    for place in range(max(map(len, candidates))):
        # Prompts with fewer candidates go along with one token, and what it says is not looked at.
        tokens = [of[place] if place < len(of) else [0] for of in candidates]
        later = _continued(model, copy.deepcopy(asked.past_key_values), prompts, tokens)
        for row, (of, said) in enumerate(zip(candidates, tokens, strict=True)):
            if place < len(of):
                steps = [first[row, said[0]], *(later[row, index, token] for index, token in enumerate(said[1:]))]
                found[row].append(torch.stack(steps).sum())
    return [torch.stack(one) if one else torch.zeros(0) for one in found]


def probabilities(log_likelihood: Any) -> tuple[float, ...]:
    """Probability of each candidate given that the reply is one of them, with six significant digits."""
    return tuple(float(f"{share:.6g}") for share in log_likelihood.softmax(-1).tolist())


def _continued(model: Any, cache: Any, prompts: Any, tokens: Sequence[Sequence[int]]) -> Any:
    """Log-probabilities ``(prompts, length - 1, vocabulary)`` after each token but the last; float64."""
    import torch

    length = max(map(len, tokens)) - 1
    ids = prompts["input_ids"]
    if length == 0:
        return torch.empty(len(tokens), 0, 0)
    # Padding on the right changes nothing before it, and nothing after it is looked at.
    new = torch.tensor([[*said[:-1], *[said[-1]] * (length - len(said) + 1)] for said in tokens], device=ids.device)
    mask = torch.cat([prompts["attention_mask"], torch.ones_like(new)], dim=1)
    inputs = model.prepare_inputs_for_generation(
        torch.cat([ids, new], dim=1),
        next_sequence_length=length,
        past_key_values=cache,
        attention_mask=mask,
        position_ids=_positions(model, mask)[:, -length:],
        use_cache=True,
    )
    return model(**inputs, return_dict=True).logits[:, -length:].double().log_softmax(-1)


def _positions(model: Any, mask: Any) -> Any:
    """Where text stands that follows a prompt; an image of Qwen takes fewer places than tokens."""
    moved = next((part.rope_deltas for part in model.modules() if getattr(part, "rope_deltas", None) is not None), 0)
    return mask.long().cumsum(-1) - 1 + moved
