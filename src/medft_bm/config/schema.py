"""Everything a user may set. The docstring under a field is its help text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from medft_bm.config.evaluation import Evaluate
from medft_bm.config.fields import FilePath, Limit, Natural, Section, Share
from medft_bm.config.hub import Hub
from medft_bm.config.terms import Terms
from medft_bm.config.tracking import Wandb
from medft_bm.config.training import Augment, Lora, Model, Towers, Train


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
    terms: Terms | None = None
    """Licence and terms of the raw data; null: those that are known of the source, or unknown."""

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
    test: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of subjects held out for testing; 1, with validation 0, asks about all of them and trains on none."""
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
        if self.validation + test >= 1 and (self.validation, test) != (0, 1):
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
    towers: Towers = Towers()
    train: Train = Train()
    augment: Augment = Augment()
    evaluate: Evaluate = Evaluate()
    wandb: Wandb = Wandb()
    hub: Hub = Hub()
    run: Run = Run()
