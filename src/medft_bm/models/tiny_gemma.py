"""A tiny Gemma 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medft_bm.models.tiny_plan import TinyPlan, answer_greedily, chat_template, language_sizes, vision_sizes
from medft_bm.models.tiny_tokens import gemma_tokenizer


def gemma3(plan: TinyPlan, texts: list[str]) -> tuple[Any, Any]:
    """A model and its processor."""
    import torch
    from transformers import Gemma3ForConditionalGeneration, Gemma3ImageProcessor, Gemma3Processor

    tokenizer = gemma_tokenizer(texts, plan.vocabulary)
    end_of_turn = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    special: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": [1, end_of_turn]}
    config = _config(plan, tokenizer, special)
    model = Gemma3ForConditionalGeneration(config)
    # Transformers starts the projector at zero, which hides the image until the first steps have been taken.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.02)
    answer_greedily(model, special)
    images = Gemma3ImageProcessor(size={"height": plan.image_px, "width": plan.image_px})
    template, tokens = chat_template("gemma3"), config.mm_tokens_per_image
    return model, Gemma3Processor(images, tokenizer, chat_template=template, image_seq_length=tokens)


def _config(plan: TinyPlan, tokenizer: Any, special: Mapping[str, Any]) -> Any:
    from transformers import Gemma3Config

    ids = tokenizer.convert_tokens_to_ids
    return Gemma3Config(
        text_config={
            **language_sizes(plan, len(tokenizer)),
            **special,
            "head_dim": plan.hidden // plan.heads,
            "query_pre_attn_scalar": plan.hidden // plan.heads,
            "sliding_window": 512,
            "sliding_window_pattern": 2,
        },
        vision_config={
            **vision_sizes(plan),
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
