"""What a user may set about the model and its training."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from medft_bm.config.fields import Count, FolderOrId, Natural, Section, Share, Tower, Words


class Model(Section):
    """The model before fine-tuning."""

    name: FolderOrId
    """Folder or Hub id of the checkpoint."""
    family: str | None = None
    """Model family (see `medft models`); null: from the checkpoint's config.json."""
    revision: str | None = None
    """Branch, tag or commit on the Hub."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Weights in memory; auto: bfloat16 on CUDA, else float32."""
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    """Attention implementation; flash_attention_2 needs flash-attn and a GPU."""


class Lora(Section):
    """Low-rank adapters, used when train.method is lora."""

    rank: Count = 16
    """Rank of every adapter."""
    alpha: Annotated[float, Field(gt=0)] = 32
    """Scale of the adapters; the update is multiplied by alpha / rank."""
    dropout: Share = 0.05
    """Dropout in front of the adapters."""
    parts: Annotated[list[Tower], Words, Field(min_length=1)] = ["language"]
    """Towers whose linear layers are adapted."""


class Train(Section):
    """Supervised fine-tuning."""

    method: Literal["lora", "full"] = "lora"
    """Train adapters, or every weight."""
    epochs: Annotated[float, Field(gt=0)] = 1
    """Passes over the training samples."""
    max_steps: Annotated[int, Field(ge=-1)] = -1
    """Optimiser steps; when positive it wins over epochs."""
    lr: Annotated[float, Field(gt=0, lt=1)] = 2e-4
    """Peak learning rate."""
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    """Learning rate after the warm-up."""
    warmup: Share = 0.03
    """Share of steps over which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW weight decay."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are clipped to this norm."""
    device_batch: Count = 1
    """Samples per device per forward pass."""
    accumulation: Count = 16
    """Forward passes per optimiser step."""
    gradient_checkpointing: bool = True
    """Recompute activations: less memory, more time."""
    logging_steps: Count = 10
    """Optimiser steps between two lines of the log."""
    save_steps: Count = 200
    """Optimiser steps between two checkpoints."""
    eval_steps: Count = 200
    """Optimiser steps between two validation losses."""
    save_limit: Count = 2
    """Checkpoints kept."""
    report_to: Annotated[list[str], Words] = []
    """Trackers that also get the log, like wandb."""
    workers: Natural = 2
    """Processes per device that load images."""
    sft: dict[str, Any] = {}
    """Any further field of TRL's SFTConfig, by its own name."""

    @model_validator(mode="after")
    def _some_steps(self) -> Train:
        if self.max_steps == 0:
            raise ValueError("max_steps 0 trains nothing; use -1 to go by epochs")
        return self
