"""Tiny, randomly initialised checkpoints of the real model classes: for tests, and to pre-train the demo's bases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import did_you_mean
from medft_bm.models.loading import quiet_bars
from medft_bm.models.tiny_tokens import gemma_tokenizer, qwen_tokenizer


@dataclass(frozen=True)
class TinyPlan:
    """Sizes of a tiny checkpoint.

    Attributes:
        image_px: side of the square image the model sees (Qwen2.5-VL: the square root of the most pixels it sees).
        patch: side of a vision patch in pixels; four patches make one language token.
        hidden: width of both towers.
        layers: of the vision and the language tower.
        heads: of both towers.
        vocabulary: tokens at most, before the family's special ones.
    """

    image_px: int = 64
    patch: int = 8
    hidden: int = 128
    layers: tuple[int, int] = (2, 2)
    heads: int = 4
    vocabulary: int = 1024

    def __post_init__(self) -> None:
        if self.image_px % (2 * self.patch) or self.hidden % (4 * self.heads):
            raise ConfigError(
                f"image_px={self.image_px} must be a multiple of 2 x patch={self.patch}, "
                f"and hidden={self.hidden} of 4 x heads={self.heads}",
                where="build_tiny",
                fix="change one of them",
            )


def build_tiny(
    family: str,
    folder: Path,
    texts: Iterable[str],
    *,
    seed: int,
    image_px: int = 64,
    patch: int = 8,
    hidden: int = 128,
    layers: tuple[int, int] = (2, 2),
    heads: int = 4,
    vocabulary: int = 1024,
) -> None:
    """Write a checkpoint that ``AutoProcessor`` and ``AutoModelForImageTextToText`` load.

    Args:
        family: ``gemma3`` or ``qwen2_5_vl``.
        folder: where to; made when missing.
        texts: what the tokenizer learns its merges from; any other text still encodes, in more tokens.
        seed: of the weights.
        image_px: see :class:`TinyPlan`, as for the rest.
        patch: side of a vision patch, in pixels.
        hidden: width.
        layers: vision, language.
        heads: attention heads.
        vocabulary: tokens at most.

    Raises:
        ConfigError: a family without a tiny plan, or sizes that do not divide.
    """
    import torch

    if family not in BUILDERS:
        raise ConfigError(f"no tiny checkpoint for the family {family!r}{did_you_mean(family, BUILDERS)}")
    plan = TinyPlan(image_px, patch, hidden, layers, heads, vocabulary)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, processor = BUILDERS[family](plan, list(texts))
    quiet_bars()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def chat_template(family: str) -> str:
    """The family's real chat template, as trl ships it."""
    return (files("trl") / "chat_templates" / f"{family}.jinja").read_text(encoding="utf-8")


def _gemma3(plan: TinyPlan, texts: list[str]) -> tuple[Any, Any]:
    import torch
    from transformers import Gemma3ForConditionalGeneration, Gemma3ImageProcessor, Gemma3Processor

    tokenizer = gemma_tokenizer(texts, plan.vocabulary)
    end_of_turn = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    special: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": [1, end_of_turn]}
    config = _gemma3_config(plan, tokenizer, special)
    model = Gemma3ForConditionalGeneration(config)
    # Transformers starts the projector at zero, which hides the image until the first steps have been taken.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.02)
    _greedy(model, special)
    images = Gemma3ImageProcessor(size={"height": plan.image_px, "width": plan.image_px})
    template, tokens = chat_template("gemma3"), config.mm_tokens_per_image
    return model, Gemma3Processor(images, tokenizer, chat_template=template, image_seq_length=tokens)


def _gemma3_config(plan: TinyPlan, tokenizer: Any, special: Mapping[str, Any]) -> Any:
    from transformers import Gemma3Config

    ids = tokenizer.convert_tokens_to_ids
    return Gemma3Config(
        text_config={
            **_language(plan, len(tokenizer)),
            **special,
            "head_dim": plan.hidden // plan.heads,
            "query_pre_attn_scalar": plan.hidden // plan.heads,
            "sliding_window": 512,
            "sliding_window_pattern": 2,
        },
        vision_config={
            **_vision(plan),
            "num_hidden_layers": plan.layers[0],
            "num_attention_heads": plan.heads,
            "image_size": plan.image_px,
            "vision_use_head": False,
        },
        mm_tokens_per_image=(plan.image_px // plan.patch // 2) ** 2,
        boi_token_index=ids("<start_of_image>"),
        eoi_token_index=ids("<end_of_image>"),
        image_token_index=ids("<image_soft_token>"),
        **special,
    )


def _qwen2_5_vl(plan: TinyPlan, texts: list[str]) -> tuple[Any, Any]:
    from transformers import (
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = qwen_tokenizer(texts, plan.vocabulary)
    ids = tokenizer.convert_tokens_to_ids
    end, pad = ids("<|im_end|>"), ids("<|endoftext|>")
    special: dict[str, Any] = {"pad_token_id": pad, "bos_token_id": pad, "eos_token_id": [end, pad]}
    model = Qwen2_5_VLForConditionalGeneration(_qwen2_5_vl_config(plan, tokenizer, special))
    _greedy(model, special)
    pixels = {"shortest_edge": plan.image_px**2 // 2, "longest_edge": plan.image_px**2}
    sizes = {"size": pixels, "patch_size": plan.patch, "merge_size": 2}
    return model, Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(**sizes),
        tokenizer,
        Qwen2VLVideoProcessor(**sizes),
        chat_template=chat_template("qwen2_5_vl"),
    )


def _qwen2_5_vl_config(plan: TinyPlan, tokenizer: Any, special: Mapping[str, Any]) -> Any:
    from transformers import Qwen2_5_VLConfig

    ids = tokenizer.convert_tokens_to_ids
    half = plan.hidden // plan.heads // 2
    time, rows = half // 4, (half - half // 4) // 2
    return Qwen2_5_VLConfig(
        text_config={
            **_language(plan, len(tokenizer)),
            **special,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [time, rows, half - time - rows],
            },
        },
        vision_config={
            **_vision(plan),
            "depth": plan.layers[0],
            "num_heads": plan.heads,
            "out_hidden_size": plan.hidden,
            "window_size": 4 * plan.patch * 2,
            "fullatt_block_indexes": [plan.layers[0] - 1],
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
        **special,
    )


def _language(plan: TinyPlan, vocabulary: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": plan.hidden,
        "intermediate_size": 2 * plan.hidden,
        "num_hidden_layers": plan.layers[1],
        "num_attention_heads": plan.heads,
        "num_key_value_heads": plan.heads // 2,
        "max_position_embeddings": 4096,
    }


def _vision(plan: TinyPlan) -> dict[str, Any]:
    return {"hidden_size": plan.hidden, "intermediate_size": 2 * plan.hidden, "patch_size": plan.patch}


def _greedy(model: Any, special: Mapping[str, Any]) -> None:
    from transformers import GenerationConfig

    model.generation_config = GenerationConfig(**special, do_sample=False)


BUILDERS: Mapping[str, Callable[[TinyPlan, list[str]], tuple[Any, Any]]] = {
    "gemma3": _gemma3,
    "qwen2_5_vl": _qwen2_5_vl,
}
