"""Tiny checkpoints of real architectures that no built-in family handles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from medft_bm.models.tiny_plan import chat_template
from medft_bm.models.tiny_tokens import gemma_tokenizer, qwen_tokenizer

SQUARE = {"size": {"height": 56, "width": 56}, "do_center_crop": False}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer() -> Any:
    made = qwen_tokenizer(["How long is it, in mm? 12.5 mm"] * 3, 600)
    made.add_tokens(["<image>"], special_tokens=True)
    return made


def llava(folder: Path, images: dict[str, Any] | None = None, *, weights: bool = True) -> Path:
    """LLaVA: a CLIP tower, a projector of two layers and a Qwen2; 14 pixels per patch and token."""
    from transformers import (
        CLIPImageProcessor,
        GenerationConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    words = tokenizer()
    end, pad = words.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    special: dict[str, Any] = {"pad_token_id": pad, "bos_token_id": pad, "eos_token_id": [end, pad]}
    both = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    language = {"model_type": "qwen2", "num_key_value_heads": 1, "vocab_size": len(words), **both, **special}
    config = LlavaConfig(
        text_config=language,
        vision_config={"model_type": "clip_vision_model", "image_size": 56, "patch_size": 14, **both},
        image_token_id=words.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
        **special,
    )
    config.save_pretrained(folder)
    if weights:
        torch.manual_seed(0)
        model = LlavaForConditionalGeneration(config)
        model.generation_config = GenerationConfig(**special, do_sample=False)
        model.save_pretrained(folder)
    shapes = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    processor = CLIPImageProcessor(**(images or SQUARE))
    LlavaProcessor(processor, words, **shapes, chat_template=TEMPLATE).save_pretrained(folder)
    return folder


def llava_next(folder: Path) -> Path:
    """LLaVA-NeXT: tiles beside an overview."""
    from transformers import LlavaNextConfig, LlavaNextImageProcessor, LlavaNextProcessor

    LlavaNextConfig().save_pretrained(folder)
    images = LlavaNextImageProcessor(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}, image_grid_pinpoints=[[56, 112], [112, 56]]
    )
    shapes = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    LlavaNextProcessor(images, tokenizer(), **shapes, chat_template=TEMPLATE).save_pretrained(folder)
    return folder


def idefics3(folder: Path) -> Path:
    """Idefics3: tiles, and padding to a common size."""
    from transformers import Idefics3Config, Idefics3ImageProcessor, Idefics3Processor

    Idefics3Config().save_pretrained(folder)
    images = Idefics3ImageProcessor(size={"longest_edge": 112}, max_image_size={"longest_edge": 56})
    words, template = tokenizer(), chat_template("idefics3")
    Idefics3Processor(images, words, image_seq_len=16, chat_template=template).save_pretrained(folder)
    return folder


def paligemma(folder: Path) -> Path:
    """PaliGemma: one square, but no chat template."""
    from transformers import PaliGemmaConfig, PaliGemmaProcessor, SiglipImageProcessor

    PaliGemmaConfig().save_pretrained(folder)
    images = SiglipImageProcessor(size={"height": 56, "width": 56})
    images.image_seq_length = 16
    PaliGemmaProcessor(images, gemma_tokenizer(["How long?"], 600)).save_pretrained(folder)
    return folder
