"""What identifies a model by its content, wherever it was loaded from."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from medft_bm.models.base import Loaded

_SAMPLED = 1024  # values of each tensor that are hashed as they are


def model_fingerprint(loaded: Loaded) -> str:
    """16 hex digits over weights, chat template, vocabulary, image processor and end-of-turn tokens.

    Of every tensor the sum, the sum of magnitudes and a spread of values are taken: a training step moves them, and a
    model of many gigabytes is read in seconds.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(loaded.model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        digest.update(_tensor_facts(tensor))
    processor = loaded.processor
    facts = {
        "chat_template": str(processor.chat_template),
        "vocabulary": sorted(processor.tokenizer.get_vocab().items()),
        "image_processor": processor.image_processor.to_dict(),
        "eos": loaded.model.generation_config.eos_token_id,
    }
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:16]


def _tensor_facts(tensor: Any) -> bytes:
    import torch

    flat = tensor.detach().reshape(-1)
    # Rounded: the order of a parallel sum depends on the machine.
    sums = [f"{torch.sum(part, dtype=torch.float64).item():.6e}" for part in (flat, flat.abs())]
    spread = flat[:: max(1, flat.numel() // _SAMPLED)].float().cpu().numpy().tobytes()
    return " ".join(sums).encode() + bytes(spread)
