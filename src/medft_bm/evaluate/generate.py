"""Ask a model: greedy, in batches that do not change what it says, taking up where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medft_bm.core.errors import MedftError
from medft_bm.evaluate.replies import Reply, ReplyFile, prompt_digest
from medft_bm.models.base import Loaded
from medft_bm.models.chat import encode_prompts, prompt_messages
from medft_bm.prepare.dataset import Item
from medft_bm.progress import progress

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


def generate_replies(
    loaded: Loaded,
    items: Sequence[Item],
    *,
    batch: int,
    max_new_tokens: int,
    out: Path,
    fingerprint: str,
) -> list[Reply]:
    """The model's reply to every item, in their order.

    Prompts are padded on the left and masked, so the batch size changes no reply (in bfloat16 two tokens of almost
    equal probability may still swap). Every batch is on disk before the next one starts.

    Args:
        loaded: model, on the device it is to run on, and processor.
        items: what to ask.
        batch: prompts at a time.
        max_new_tokens: budget per reply.
        out: folder of ``replies.jsonl``; replies in it are taken over when they answer the same prompts and were
            made with the same ``fingerprint`` and budget.
        fingerprint: identifies the model's content and the prepared data; another model's replies are never reused.

    Raises:
        MedftError: the accelerator is out of memory.
        DataError: ``replies.jsonl`` holds a complete line that is no reply.
    """
    settings = {"fingerprint": fingerprint, "max_new_tokens": max_new_tokens, "decoding": "greedy"}
    file = ReplyFile(out, settings)
    known = file.open()
    keys = [(item.uid, prompt_digest(item.prompt_text)) for item in items]
    open_items = [index for index, key in enumerate(keys) if key not in known]
    groups = [open_items[start : start + batch] for start in range(0, len(open_items), batch)]
    for group in progress(groups, f"replies ({len(open_items)} of {len(items)} to go)", len(groups)):
        asked = [items[index] for index in group]
        replies = ask(loaded, asked, max_new_tokens)
        file.add(replies, [item.prompt_text for item in asked])
        known.update(zip((keys[index] for index in group), replies, strict=True))
    return [known[key] for key in keys]


def ask(loaded: Loaded, items: Sequence[Item], max_new_tokens: int) -> list[Reply]:
    """The model's reply to every item, as one batch; the model is in evaluation mode afterwards.

    Raises:
        MedftError: the accelerator is out of memory.
    """
    import torch

    model, processor = loaded.model.eval(), loaded.processor
    prompts = [prompt_messages(item.prompt_text) for item in items]
    encoded = encode_prompts(processor, prompts, [item.image for item in items])
    encoded = encoded.to(model.device, dtype=model.dtype)
    try:
        # Not inference_mode: what a model keeps of that, like gathered shards, could not be trained on afterwards.
        with torch.no_grad():
            ids = model.generate(**encoded, **GREEDY, max_new_tokens=max_new_tokens, use_cache=True)
    except torch.cuda.OutOfMemoryError as error:
        raise MedftError(
            f"out of accelerator memory with {len(items)} prompts at a time",
            where="evaluate.batch",
            fix=f"set evaluate.batch={max(1, len(items) // 2)}; replies so far are kept",
        ) from error
    new = ids[:, encoded["input_ids"].shape[1] :].tolist()
    ends = _end_tokens(loaded)
    return [_reply(processor, item, tokens, ends) for item, tokens in zip(items, new, strict=True)]


def _reply(processor: Any, item: Item, tokens: list[int], ends: set[int]) -> Reply:
    stop = next((index for index, token in enumerate(tokens) if token in ends), None)
    said = tokens if stop is None else tokens[:stop]
    text = processor.tokenizer.decode(said, skip_special_tokens=True)
    return Reply(item.uid, str(text), len(said) + (stop is not None), stop is not None)


def _end_tokens(loaded: Loaded) -> set[int]:
    """Tokens that end a turn, as ``generate`` itself knows them."""
    ends = loaded.model.generation_config.eos_token_id
    if ends is None:
        ends = loaded.processor.tokenizer.eos_token_id
    return set(ends) if isinstance(ends, list | tuple) else {ends}
