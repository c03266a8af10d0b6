"""A tiny Qwen2.5-VL and a tiny Qwen3-VL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medft_bm.models.tiny_plan import TinyPlan, answer_greedily, chat_template, language_sizes, vision_sizes
from medft_bm.models.tiny_tokens import qwen_tokenizer


def qwen2_5_vl(plan: TinyPlan, texts: list[str]) -> tuple[Any, Any]:
    """A model and its processor."""
    from transformers import Qwen2_5_VLForConditionalGeneration as Model
    from transformers import Qwen2_5_VLProcessor as Processor
    from transformers import Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    tokenizer = qwen_tokenizer(texts, plan.vocabulary)
    special = _special(tokenizer)
    model = Model(_qwen2_5_vl_config(plan, tokenizer, special))
    answer_greedily(model, special)
    images, videos = Qwen2VLImageProcessor(**_cells(plan)), Qwen2VLVideoProcessor(**_cells(plan))
    return model, Processor(images, tokenizer, videos, chat_template=chat_template("qwen2_5_vl"))


def qwen3_vl(plan: TinyPlan, texts: list[str]) -> tuple[Any, Any]:
    """A model and its processor."""
    from transformers import Qwen2VLImageProcessor, Qwen3VLVideoProcessor
    from transformers import Qwen3VLForConditionalGeneration as Model
    from transformers import Qwen3VLProcessor as Processor

    tokenizer = qwen_tokenizer(texts, plan.vocabulary)
    special = _special(tokenizer)
    model = Model(_qwen3_vl_config(plan, tokenizer, special))
    answer_greedily(model, special)
    images, videos = Qwen2VLImageProcessor(**_cells(plan)), Qwen3VLVideoProcessor(**_cells(plan))
    return model, Processor(images, tokenizer, videos, chat_template=chat_template("qwen3_vl"))


def _qwen2_5_vl_config(plan: TinyPlan, tokenizer: Any, special: Mapping[str, Any]) -> Any:
    from transformers import Qwen2_5_VLConfig

    half = plan.hidden // plan.heads // 2
    time, rows = half // 4, (half - half // 4) // 2
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [time, rows, half - time - rows]}
    return Qwen2_5_VLConfig(
        text_config={**language_sizes(plan, len(tokenizer)), **special, "rope_parameters": rope},
        vision_config={
            **_vision(plan),
            "window_size": 4 * plan.patch * 2,
            "fullatt_block_indexes": [plan.layers[0] - 1],
        },
        tie_word_embeddings=True,
        **_places(tokenizer),
        **special,
    )


def _qwen3_vl_config(plan: TinyPlan, tokenizer: Any, special: Mapping[str, Any]) -> Any:
    from transformers import Qwen3VLConfig

    head = plan.hidden // plan.heads
    side = head // 2 * 5 // 16  # as in the published models: rows and columns get 20 of 64 each
    sections = [head // 2 - 2 * side, side, side]
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": sections, "mrope_interleaved": True}
    language = {**language_sizes(plan, len(tokenizer)), **special, "head_dim": head, "rope_parameters": rope}
    return Qwen3VLConfig(
        text_config=language,
        vision_config={
            **_vision(plan),
            "num_position_embeddings": (plan.image_px // plan.patch) ** 2,
            "deepstack_visual_indexes": [plan.layers[0] - 1],
        },
        tie_word_embeddings=True,
        **_places(tokenizer),
        **special,
    )


def _vision(plan: TinyPlan) -> dict[str, Any]:
    own = {"depth": plan.layers[0], "num_heads": plan.heads, "out_hidden_size": plan.hidden}
    return {**vision_sizes(plan), **own}


def _special(tokenizer: Any) -> dict[str, Any]:
    end, pad = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    return {"pad_token_id": pad, "bos_token_id": pad, "eos_token_id": [end, pad]}


def _places(tokenizer: Any) -> dict[str, int]:
    names = {"image": "image_pad", "video": "video_pad", "vision_start": "vision_start", "vision_end": "vision_end"}
    return {f"{place}_token_id": tokenizer.convert_tokens_to_ids(f"<|{name}|>") for place, name in names.items()}


def _cells(plan: TinyPlan) -> dict[str, Any]:
    pixels = {"shortest_edge": plan.image_px**2 // 2, "longest_edge": plan.image_px**2}
    return {"size": pixels, "patch_size": plan.patch, "merge_size": 2}
