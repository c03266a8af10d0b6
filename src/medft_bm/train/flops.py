"""How many operations training needs, whatever the hardware does beyond that, such as recomputing activations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from medft_bm.models.base import ModelFamily, Part
from medft_bm.train.towers import tower_of

ORDER: tuple[Part, ...] = ("vision", "projector", "language")
"""How data flow; gradients flow back as far as the first tower that is trained."""
COUNTS = ("samples", "tokens", "answer_tokens", "image_tokens", "patches", "token_pairs", "patch_pairs")
"""What is counted in a batch; pairs are the sum of the squared lengths of rows, and of images in patches."""


@dataclass(frozen=True)
class Operations:
    """Multiplications and additions of forward and backward passes, per thing that is counted.

    A weight costs 2 per row that it is applied to, 2 more for the gradient of its input, if anything is trained in its
    tower or an earlier one, and 2 more for its own gradient, if it is trained. The head costs this per answer token,
    since TRL applies it to no other. Attention costs 4 per pair, layer and channel, and twice that again on the way
    back; masked pairs are counted too, as is usual. Norms and the like are left out.

    Attributes:
        per: operations by the names in :data:`COUNTS`; what is not named costs nothing by itself.
    """

    per: Mapping[str, float]

    @classmethod
    def of(cls, model: Any, family: ModelFamily) -> Operations | None:
        """Count the weights of a model, on the meta device too; ``None`` where the vision tower has no patches."""
        if _patch_size(model.config) is None:
            return None
        flows = _flows(model, family)
        per = {"patches": 0.0, "image_tokens": 0.0, "tokens": 0.0, "answer_tokens": 0.0}
        rows = {"vision": "patches", "projector": "image_tokens", "language": "tokens"}
        head = model.get_output_embeddings()
        for name, module in model.named_modules():
            part = tower_of(name, family)
            for weights, trained in _matrices(name, module):
                per["answer_tokens" if module is head else rows[part]] += weights * (2 + 2 * flows[part] + 2 * trained)
        vision, text = model.config.vision_config, model.config.get_text_config()
        whole, windowed, window = _vision_layers(vision)
        across = 4 * vision.hidden_size * (3 if flows["vision"] else 1)
        per["patch_pairs"] = whole * across
        per["patches"] += windowed * across * window
        channels = text.num_attention_heads * (getattr(text, "head_dim", None) or _head_size(text))
        per["token_pairs"] = 4 * text.num_hidden_layers * channels * (3 if flows["language"] else 1)
        return cls(per)

    def total(self, counts: Mapping[str, float]) -> float:
        """Operations for so much of everything."""
        return sum(cost * counts[name] for name, cost in self.per.items())


def count(batch: Mapping[str, Any], config: Any) -> Any:
    """What is in a batch, padding left out.

    Args:
        batch: as the collator made it.
        config: of the model.

    Returns:
        ``(7,)`` float64 in the order of :data:`COUNTS`; on the device of the batch, nothing is waited for.
    """
    lengths = batch["attention_mask"].sum(1)
    patches = _patches(batch, config)
    numbers = [
        torch.ones_like(lengths).sum(),
        lengths.sum(),
        (batch["labels"][:, 1:] != -100).sum(),
        (batch["input_ids"] == config.image_token_id).sum(),
        patches.sum(),
        (lengths**2).sum(),
        (patches**2).sum(),
    ]
    return torch.stack([number.double() for number in numbers])


def _patches(batch: Mapping[str, Any], config: Any) -> Any:
    """``(images,)`` patches of every image; 0 where there is no telling."""
    if "image_grid_thw" in batch:
        return batch["image_grid_thw"].prod(1)
    pixels, side = batch.get("pixel_values"), _patch_size(config)
    if pixels is None or side is None:
        return torch.zeros_like(batch["input_ids"][:, 0])
    patches = (pixels.shape[-2] // side) * (pixels.shape[-1] // side)
    return pixels.new_full(pixels.shape[:-3], patches, dtype=torch.int64).flatten()


def _patch_size(config: Any) -> int | None:
    size = getattr(getattr(config, "vision_config", None), "patch_size", None)
    return size if isinstance(size, int) else None


def _flows(model: Any, family: ModelFamily) -> dict[Part, bool]:
    """Whether gradients pass through a tower: it or an earlier one is trained."""
    trained = {tower_of(name, family) for name, weight in model.named_parameters() if weight.requires_grad}
    return {part: bool(trained & set(ORDER[: place + 1])) for place, part in enumerate(ORDER)}


def _matrices(name: str, module: Any) -> Iterator[tuple[int, bool]]:
    """Numbers in the matrices that a module multiplies by, and whether they are trained."""
    if isinstance(module, torch.nn.Embedding) or "original_module" in name.split("."):
        return  # looked up; or replaced by the copy of it that is trained
    if isinstance(module, torch.nn.Linear):  # one of bitsandbytes hides its shape in packed weights
        yield module.in_features * module.out_features, module.weight.requires_grad
        return
    for weight in module.parameters(recurse=False):
        if len(shape := getattr(weight, "ds_shape", weight.shape)) > 1:
            yield shape.numel(), weight.requires_grad


def _vision_layers(vision: Any) -> tuple[int, int, int]:
    """Layers that attend to the whole image, layers that attend within windows, and patches per window."""
    layers = getattr(vision, "depth", None) or vision.num_hidden_layers
    whole = getattr(vision, "fullatt_block_indexes", None)
    if whole is None:
        return layers, 0, 0
    return len(whole), layers - len(whole), (vision.window_size // vision.patch_size) ** 2


def _head_size(text: Any) -> int:
    return int(text.hidden_size // text.num_attention_heads)
