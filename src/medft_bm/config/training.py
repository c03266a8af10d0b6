"""What a user may set about the model and its training."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from medft_bm.config.fields import Count, FolderOrId, Natural, Rate, Section, Share, Words
from medft_bm.config.terms import LicenceId

NO_FLOAT16 = "activations of Gemma 3 exceed its range and become NaN without an error; use bfloat16 or float32"


class Model(Section):
    """The model before fine-tuning."""

    name: FolderOrId
    """Folder or Hub id of the checkpoint."""
    family: str | None = None
    """Model family (see `medft models`); null: from the checkpoint's config.json."""
    revision: str | None = None
    """Branch, tag or commit on the Hub."""
    terms: LicenceId | None = None
    """Licence of the checkpoint (see docs/cards.md); null: known for MedGemma, Gemma and Qwen by their names."""
    min_pixels: Count | None = None
    """Fewest pixels of an image after the processor; a smaller one is enlarged. null: as the checkpoint says."""
    max_pixels: Count | None = None
    """Most pixels of an image after the processor; a larger one is shrunk. null: as the checkpoint says."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Weights in memory; auto: bfloat16 on CUDA, else float32."""
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    """Attention implementation; flash_attention_2 needs flash-attn and a GPU."""

    @field_validator("dtype", mode="before")
    @classmethod
    def _no_float16(cls, value: Any) -> Any:
        if value in ("float16", "fp16", "half"):
            raise ValueError(f"{value} is not supported: {NO_FLOAT16}")
        return value

    @model_validator(mode="after")
    def _some_pixels(self) -> Model:
        if self.min_pixels is not None and self.max_pixels is not None and self.min_pixels > self.max_pixels:
            raise ValueError(f"min_pixels {self.min_pixels} is more than max_pixels {self.max_pixels}")
        return self


class Lora(Section):
    """Low-rank adapters, used when train.method is lora or qlora."""

    rank: Count = 16
    """Rank of every adapter."""
    alpha: Annotated[float, Field(gt=0)] = 32
    """Scale of the adapters; the update is multiplied by alpha / rank."""
    dropout: Share = 0.05
    """Dropout in front of the adapters."""
    rslora: bool = False
    """Scale by alpha / sqrt(rank) instead, which keeps large ranks as strong as small ones."""
    dora: bool = False
    """Learn the length of every weight column apart from its direction: slower, sometimes better at small ranks."""
    modules_to_save: Annotated[list[str], Words] = []
    """Modules beside the towers that are trained whole and saved with the adapter, like embed_tokens."""


class Tower(Section):
    """How one tower of the model is trained."""

    train: Literal["auto", "frozen", "lora", "full"] = "auto"
    """auto: everything with train.method full; else adapters on the language tower, nothing on the others."""
    lr: Rate | None = None
    """Peak learning rate of this tower; null: train.lr."""


class Towers(Section):
    """Which towers are trained, and how."""

    vision: Tower = Tower()
    projector: Tower = Tower()
    language: Tower = Tower()

    def modes(self, method: str) -> dict[str, str]:
        """``frozen``, ``lora`` or ``full`` for every tower.

        Args:
            method: ``train.method``.
        """
        auto = {"language": "lora", "projector": "frozen", "vision": "frozen"}
        if method == "full":
            auto = dict.fromkeys(auto, "full")
        asked = {name: getattr(self, name).train for name in auto}
        return {name: auto[name] if mode == "auto" else mode for name, mode in asked.items()}


class Best(Section):
    """Which weights become the result, and when to stop early."""

    metric: Literal["none", "loss", "skill"] = "none"
    """Keep the last weights, those of the lowest validation loss, or those whose replies score best."""
    samples: Count = 32
    """Validation samples that are asked at every evaluation for the metric skill."""
    patience: Natural = 0
    """Stop after so many evaluations in a row without a better one; 0 never stops early."""

    @model_validator(mode="after")
    def _something_to_wait_for(self) -> Best:
        if self.patience and self.metric == "none":
            raise ValueError("patience needs metric loss or skill")
        return self


class Train(Section):
    """Supervised fine-tuning."""

    method: Literal["lora", "qlora", "full"] = "lora"
    """Train adapters; adapters over a language tower in 4 bits; or every weight. See also towers."""
    epochs: Annotated[float, Field(gt=0)] = 1
    """Passes over the training samples."""
    max_steps: Annotated[int, Field(ge=-1)] = -1
    """Optimiser steps; when positive it wins over epochs."""
    lr: Rate = 2e-4
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
    loss: Literal["token", "sample", "task"] = "token"
    """What weighs the same in the loss of a step: every token, every sample, or every part of the mix."""
    sampling: Literal["random", "balanced"] = "random"
    """Order of the samples; balanced: every step has the parts in the proportion of all training samples."""
    group_by_length: bool = False
    """Put samples of about one length into a batch: less padding when device_batch is above 1."""
    gradient_checkpointing: bool = True
    """Recompute activations: less memory, more time."""
    strategy: Literal["auto", "ddp", "fsdp", "zero2", "zero3", "zero2_offload", "zero3_offload"] = "auto"
    """What processes share: auto, ddp: nothing; zero2: optimiser state; zero3, fsdp: weights too; offload: into RAM."""
    liger: bool = False
    """Triton kernels of liger-kernel for norms, rotations and gated layers; needs a GPU."""
    logging_steps: Count = 10
    """Optimiser steps between two lines of the log."""
    save_steps: Count = 200
    """Optimiser steps between two checkpoints."""
    eval_steps: Natural = 200
    """Optimiser steps between two evaluations on validation samples; 0: none."""
    save_limit: Count = 2
    """Checkpoints kept; the best one is kept besides."""
    resume: FolderOrId = "auto"
    """auto: go on from the newest whole checkpoint of the run folder; never; or a checkpoint's folder."""
    best: Best = Best()
    report_to: Annotated[list[str], Words] = ["tensorboard"]
    """Trackers that also get the log: tensorboard (in run.folder/logs), wandb, or another one of transformers; none."""
    gallery: Natural = 8
    """Validation samples drawn with the model's reply at every evaluation, for TensorBoard; 0: none."""
    workers: Natural = 2
    """Processes per device that load images."""
    sft: dict[str, Any] = {}
    """Any further field of TRL's SFTConfig, by its own name."""

    @model_validator(mode="after")
    def _some_steps(self) -> Train:
        if self.max_steps == 0:
            raise ValueError("max_steps 0 trains nothing; use -1 to go by epochs")
        if self.best.metric != "none" and self.eval_steps != self.save_steps:
            raise ValueError(
                f"best.metric needs a checkpoint of every evaluation: give save_steps ({self.save_steps}) and "
                f"eval_steps ({self.eval_steps}) the same value"
            )
        return self


SIDES = [
    *("left", "right", "laterality", "side", "links", "linke", "rechts", "rechte", "gauche", "droit"),
    *("izquierd", "derech", "sinist", "dext", "upper", "lower", "anterior", "posterior", "superior", "inferior"),
    *("ventral", "dorsal", "cranial", "caudal", "rostral"),
]


class Augment(Section):
    """Images changed at random while training, question and answer with them; with nothing set nothing changes."""

    flip: Annotated[list[Literal["left_right", "up_down"]], Words] = []
    """Mirror half of the images this way, or these ways."""
    rotate_deg: Annotated[float, Field(ge=0, le=45)] = 0.0
    """Turn by up to so many degrees either way; boxes cannot follow, so their images are not turned."""
    zoom: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Show up to this share more, or less, of an image in as many pixels; the pixel size changes with it."""
    crop: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Cut off up to this share of height and width, never of what is asked about."""
    intensity: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How far brightness, contrast, gamma and noise may go: 0 not at all, 1 as far as a reader would still accept."""
    probability: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the training samples that are changed, others in every epoch."""
    unknown_spacing: bool = False
    """Also change images whose pixel size is unknown; their pixels then count as squares."""
    laterality: Annotated[list[str], Words] = SIDES
    """Beginnings of words that name a side: a row with one in its label, tags, question or answer is not mirrored."""
