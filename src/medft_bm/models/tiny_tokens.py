"""Small tokenizers of the real classes, trained on the spot: any text encodes, every digit is a token of its own."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Iterator
from typing import Any

GEMMA_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256)))
GEMMA_TURNS = ("<start_of_turn>", "<end_of_turn>")
QWEN_SPECIAL = (
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
TEMPLATE_WORDS = "user\n model\n system\n assistant\nYou are a helpful assistant.\n\n"


def gemma_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A ``GemmaTokenizer``; characters it has never seen fall back to bytes."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import GemmaTokenizer

    learner = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    learner.normalizer = normalizers.Replace(" ", "▁")
    # Gemma's own tokenizer never splits before it merges, so what must stay apart has to stay apart while learning.
    learner.pre_tokenizer = pre_tokenizers.Split(Regex(r"\d|\n|▁?[\p{L}]+|[^\p{L}\d\n]"), behavior="isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        show_progress=False,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in GEMMA_SPECIAL],
        initial_alphabet=[*(character for character in string.printable if character not in " \t\r\x0b\x0c"), "▁"],
    )
    learner.train_from_iterator(_corpus(texts), trainer)
    vocab, merges = _learnt(learner)
    tokenizer = GemmaTokenizer(
        vocab=vocab,
        merges=merges,
        add_bos_token=True,
        extra_special_tokens={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
        },
    )
    tokenizer.add_tokens(
        [AddedToken(token, special=True, normalized=False) for token in GEMMA_TURNS], special_tokens=True
    )
    return tokenizer


def qwen_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A ``Qwen2Tokenizer``; works on bytes, so nothing is unknown to it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    learner = Tokenizer(models.BPE())
    learner.normalizer = Qwen2Tokenizer()._tokenizer.normalizer
    learner.pre_tokenizer = Qwen2Tokenizer()._tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        show_progress=False,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    learner.train_from_iterator(_corpus(texts), trainer)
    vocab, merges = _learnt(learner)
    return Qwen2Tokenizer(
        vocab=vocab,
        merges=merges,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(QWEN_SPECIAL),
    )


def _corpus(texts: Iterable[str]) -> Iterator[str]:
    yield TEMPLATE_WORDS
    yield from texts


def _learnt(learner: Any) -> tuple[dict[str, int], list[tuple[str, str]]]:
    model = json.loads(learner.to_str())["model"]
    return model["vocab"], [(left, right) for left, right in model["merges"]]
