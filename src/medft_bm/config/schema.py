"""Everything a user may set. The docstring under a field is its help text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _path(value: Any) -> Any:
    if value == "":
        raise ValueError("a path may not be empty")
    if isinstance(value, str) and value.startswith("~"):
        try:
            return Path(value).expanduser()
        except RuntimeError as error:
            raise ValueError(str(error)) from error
    return value


def _folder_or_id(value: Any) -> Any:
    return str(_path(value)) if isinstance(value, str) else value


def _words(value: Any) -> Any:
    """One word stands for a list of one, ``none`` for an empty one."""
    if isinstance(value, str):
        return [] if value in ("", "none") else value.split(",")
    return value


def _all(value: int | None) -> int | None:
    return None if value == -1 else value


def _some(value: int | None) -> int | None:
    if value == 0:
        raise ValueError("0 leaves nothing to ask; use at least 1, or -1 for all")
    return value


FilePath = Annotated[Path, BeforeValidator(_path)]
FolderOrId = Annotated[str, BeforeValidator(_folder_or_id), Field(min_length=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Limit = Annotated[Annotated[int, Field(ge=-1)] | None, AfterValidator(_all)]
SampleLimit = Annotated[Limit, AfterValidator(_some)]
Tower = Literal["vision", "projector", "language"]


class Section(BaseModel):
    """A group of keys: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Limits(Section):
    """At most so many samples per split; null or -1 keeps all, 0 drops the split."""

    train: Limit = None
    """Training samples kept."""
    validation: Limit = None
    """Validation samples kept."""
    test: Limit = None
    """Test samples kept."""


class Part(Section):
    """One task on one source."""

    name: str = ""
    """Name in tables and reports; by default task/source."""
    task: str
    """What is asked (see `medft tasks`)."""
    source: str
    """Where raw data is and how it is laid out (see `medft sources`)."""
    task_options: dict[str, Any] = {}
    """Options of the task."""
    source_options: dict[str, Any] = {}
    """Options of the source."""
    root: FilePath | None = None
    """Folder of this part's raw data, relative to data.root."""
    limit: Limits = Limits()
    """At most so many samples of this part; wins over data.limit_per_source."""
    balance: bool = False
    """Keep as many samples of every label as there are of the rarest, split by split."""

    @model_validator(mode="before")
    @classmethod
    def _default_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("name") and "task" in data and "source" in data:
            return {**data, "name": f"{data['task']}/{data['source']}"}
        return data


class SplitRule(Section):
    """Which subjects go where, unless the source has official splits."""

    validation: Share = 0.1
    """Share of subjects held out for validation."""
    test: Share = 0.2
    """Share of subjects held out for testing."""
    seed: int = 0
    """Another seed is another split."""
    by: str = "subject"
    """What must not straddle a split: subject, or a tag such as site or study, and the subject with it."""
    stratify: bool = False
    """Same shares of every label in every split, as nearly as whole subjects allow; new data may then move others."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Cross-validation: cut the subjects into so many folds; `fold` is tested instead of the share `test`."""
    fold: Natural = 0
    """Which fold is tested, from 0."""
    file: FilePath | None = None
    """A split.json from an earlier run, edited or not, to use as it is."""

    @model_validator(mode="after")
    def _something_to_train_on(self) -> SplitRule:
        test = self.test if self.folds is None else 1 / self.folds
        if self.validation + test >= 1:
            raise ValueError(f"validation {self.validation} and test {test:g} leave nothing to train on")
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold {self.fold} of {self.folds} folds: they are numbered from 0")
        return self


class Mixing(Section):
    """How much of the training samples each task gets; validation and test stay as they are."""

    by: Literal["task", "source"] = "task"
    """What gets a share: every task, or every part of the mix."""
    temperature: Annotated[float, Field(ge=1)] | None = None
    """Shares grow with size to the power 1/temperature: 1 keeps the sizes, 5 is nearly even."""
    weights: dict[str, Annotated[float, Field(gt=0)]] = {}
    """Shares by name of the task or part, in any unit; those that are not named weigh 1."""
    oversample: bool = False
    """Repeat samples of what is too small for its share, instead of dropping samples of the rest."""

    @model_validator(mode="after")
    def _one_rule(self) -> Mixing:
        if self.weights and self.temperature is not None:
            raise ValueError("give weights or a temperature, not both")
        if self.oversample and not self.weights and self.temperature is None:
            raise ValueError("oversample needs weights or a temperature")
        return self


class Data(Section):
    """Which tasks from which sources, and how many of them."""

    root: FilePath = Path()
    """Folder of raw data, relative to the working directory."""
    mix: Annotated[list[Part], Field(min_length=1)]
    """The parts: one task on one source each."""
    split: SplitRule = SplitRule()
    limit: Limits = Limits()
    limit_per_task: Limits = Limits()
    limit_per_source: Limits = Limits()
    mixing: Mixing = Mixing()
    cache: FilePath = Path("cache")
    """Folder of rendered slices and prepared rows."""
    seed: int = 0
    """Order and choice of samples."""
    on_error: Literal["raise", "skip"] = "raise"
    """What to do about a file that cannot be used: stop, or leave it out and say so."""
    salt: str = ""
    """Secret mixed into the hashes that stand for subjects."""

    @model_validator(mode="after")
    def _names_differ(self) -> Data:
        twice = [name for name, times in Counter(part.name for part in self.mix).items() if times > 1]
        if twice:
            raise ValueError(f"several parts are named {', '.join(map(repr, twice))}; give each its own `name`")
        return self


class Prepare(Section):
    """How preparation is carried out; changes no byte of what comes out."""

    engine: Literal["local", "ray"] = "local"
    """Processes of this machine, or tasks on a Ray cluster."""
    workers: Natural = 0
    """Processes that read and render; 0: one per core that this process may use."""


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
    parts: Annotated[list[Tower], BeforeValidator(_words), Field(min_length=1)] = ["language"]
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
    report_to: Annotated[list[str], BeforeValidator(_words)] = []
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


class Evaluate(Section):
    """Replies, scores and the report."""

    split: Literal["validation", "test"] = "test"
    """Split whose samples are asked."""
    limit: SampleLimit = None
    """Samples asked, in equal shares of every part; null or -1 asks all."""
    batch: Count = 8
    """Prompts per generation batch; does not change the replies."""
    max_new_tokens: Count = 64
    """Longest reply, in tokens."""
    examples: Natural = 24
    """Cases drawn in the report."""
    bootstrap: Annotated[int, Field(ge=100)] = 1000
    """Resamples of the patients behind every interval."""


class Run(Section):
    """Where a training and its evaluation are kept."""

    folder: FilePath = Path("runs/latest")
    """Folder of config, checkpoints, adapter, logs and report."""
    seed: int = 0
    """Seed of weights, dropout and data order."""


class Config(Section):
    """Everything a user may set."""

    demo: bool = False
    """Say DEMO on everything that comes out."""
    data: Data
    prepare: Prepare = Prepare()
    model: Model
    lora: Lora = Lora()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    run: Run = Run()
