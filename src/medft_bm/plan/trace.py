"""The model's own code, run forward and backward on tensors that have shapes and no content."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from medft_bm.plan.ledger import Ledger
from medft_bm.plan.precision import Emulation
from medft_bm.plan.skeleton import Precision, Skeleton

TOKENS, WORDS = 4096, 32768
"""TRL's loss makes room for logits of so many tokens, or all if they are fewer, and words at a time."""
PASSES = 7
"""Arrays of the size of these logits that the loss holds at its worst moment without Triton's kernels."""


@dataclass(frozen=True)
class Largest:
    """The sample that needs most memory, as the processor encodes it.

    Attributes:
        text_tokens: of the sequence, without those of the image.
        image_tokens: of the image.
        answer_tokens: that have a loss.
        pixels: the processor's tensors for the vision tower.
    """

    text_tokens: int
    image_tokens: int
    answer_tokens: int
    pixels: dict[str, Any]

    @property
    def tokens(self) -> int:
        """Of the whole sequence."""
        return self.text_tokens + self.image_tokens


@dataclass(frozen=True)
class Activations:
    """Bytes of one forward and backward pass beyond weights and gradients.

    Attributes:
        vision: kept by vision tower and projector until the backward pass.
        language: kept by the language tower until the backward pass.
        vision_rounded: weights of the first two in bfloat16, which autocast drops at the end of the forward pass.
        language_rounded: the same of the language tower.
        temporary: needed on top at the worst moment of the backward pass.
    """

    vision: int
    language: int
    vision_rounded: int
    language_rounded: int
    temporary: int

    @property
    def peak(self) -> int:
        """Most bytes at any time."""
        return self.vision + self.language + max(self.temporary, self.vision_rounded + self.language_rounded)


def trace(
    skeleton: Skeleton, largest: Largest, samples: int, precision: Precision, *, checkpointing: bool
) -> Activations:
    """Run the towers as they are and count what they hold.

    The model as a whole cannot run without content, because it looks for image tokens in the text. Its towers can, one
    after the other; between them there are only the vectors of image and words.

    Args:
        skeleton: of the model.
        largest: sample.
        samples: in the batch, all as long as that one.
        precision: of the training.
        checkpointing: whether activations are recomputed.
    """
    base, emulation, ledger = skeleton.base, Emulation(autocast=precision.autocast), Ledger()
    again = emulation if checkpointing else None
    with _no_gradients_held(skeleton.model), _checkpointed(skeleton.model, again), emulation, ledger:
        batch = {name: _batched(value, samples) for name, value in largest.pixels.items()}  # held by the trainer
        image, *beside = _look(base, batch, samples)
        vision, vision_rounded = _settled(ledger, emulation)
        hidden = _read(base, image, largest, samples)
        del image
        kept, language_rounded = _settled(ledger, emulation)
        emulation.forward = False
        scored = hidden[:, -largest.answer_tokens :] if precision.cuda else hidden[:, 1:]
        head = _head_bytes(base.get_output_embeddings().weight, scored, triton=precision.cuda)
        ends = [end for end in (scored, *beside) if end.requires_grad]
        del hidden, beside, scored
        torch.autograd.backward(ends, [torch.empty_like(end) for end in ends])
    temporary = max(ledger.peak, kept + head) - kept
    return Activations(vision, kept - vision, vision_rounded, language_rounded, temporary)


def _settled(ledger: Ledger, emulation: Emulation) -> tuple[int, int]:
    """Bytes that are held, and that were held only because autocast keeps what it has rounded."""
    before = ledger.live
    emulation.drop_rounded()
    return ledger.live, before - ledger.live


def _look(base: Any, batch: Mapping[str, Any], samples: int) -> list[Any]:
    """``(samples, tokens, width)`` of the images first, then whatever else the vision tower hands on."""
    out = base.get_image_features(**batch, return_dict=True)
    vectors = out.pooler_output
    joined = vectors if isinstance(vectors, torch.Tensor) else torch.cat(tuple(vectors))
    return [joined.reshape(samples, -1, joined.shape[-1]), *(getattr(out, "deepstack_features", None) or [])]


def _batched(value: Any, samples: int) -> Any:
    if value.is_floating_point():
        return torch.empty(samples * value.shape[0], *value.shape[1:], device="meta", dtype=value.dtype)
    return value.repeat(samples, *[1] * (value.dim() - 1))  # numbers that code looks at, like the grid of patches


def _read(base: Any, image: Any, largest: Largest, samples: int) -> Any:
    """``(samples, tokens, width)`` after the last layer of the language tower."""
    words = torch.empty(samples, largest.text_tokens, device="meta", dtype=torch.int64)
    text = base.get_input_embeddings()(words)
    embedded = torch.cat([text, image.to(text.dtype)], 1)
    mask = None
    if samples > 1 or _sees_both_ways(base):
        mask = torch.empty(samples, 1, largest.tokens, largest.tokens, device="meta", dtype=torch.bool)
    decoder = base.model.get_decoder()
    return decoder(inputs_embeds=embedded, attention_mask=mask, use_cache=False).last_hidden_state


def _sees_both_ways(base: Any) -> bool:
    """Whether image tokens attend to later ones, so that there is always a mask."""
    return "token_type_ids" in inspect.signature(type(base).forward).parameters


def _head_bytes(head: Any, scored: Any, *, triton: bool) -> int:
    """What TRL's loss holds at its worst moment: some logits, and the gradients that it sums in float32.

    Args:
        head: weight that makes logits of hidden states.
        scored: hidden states of tokens that are predicted from: without Triton's kernels, all of them.
        triton: whether logits are worked on in place.
    """
    width = int(scored.shape[-1])
    tokens = int(scored.numel()) // width
    tile: int = min(tokens, TOKENS) * WORDS * scored.element_size()
    work = 0 if triton else PASSES * 4 * min(tokens, TOKENS) * min(WORDS, head.shape[0])
    return tile + work + 4 * tokens * width + (4 * head.numel() if head.requires_grad else 0)


@contextmanager
def _no_gradients_held(model: Any) -> Iterator[None]:
    """Gradients of weights are counted elsewhere: here each goes as soon as it is whole."""

    def drop(weight: Any) -> None:
        weight.grad = None

    trained = [weight for weight in model.parameters() if weight.requires_grad]
    hooks = [weight.register_post_accumulate_grad_hook(drop) for weight in trained]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _checkpointed(model: Any, again: Emulation | None) -> Iterator[None]:
    """Recompute activations as the trainer would.

    Args:
        model: whose layers do.
        again: active when they run a second time: the backward pass is outside of all modes of torch's functions.
    """
    if again is None:
        yield
        return
    settings = {"use_reentrant": False, "context_fn": lambda: (nullcontext(), again)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # transformers 5.23 has renamed it
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=settings)
        model.disable_input_require_grads()  # as `train.inputs` does
        try:
            yield
        finally:
            model.gradient_checkpointing_disable()
            model.disable_input_require_grads()
