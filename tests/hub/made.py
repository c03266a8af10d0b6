"""One small run of the real kind: prepared, trained for two steps, merged, evaluated and reported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medft_bm.config.schema import Config
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.report.build import build_report
from medft_bm.evaluate.run import evaluate_run
from medft_bm.models import load_model_family
from medft_bm.models.base import ModelFamily
from medft_bm.models.content import weights_in
from medft_bm.models.loading import with_adapter
from medft_bm.models.tiny import build_tiny
from medft_bm.prepare.dataset import Item, Prepared, prepare_dataset
from medft_bm.train.merge import merge_adapter
from medft_bm.train.run import train_model

torch.set_num_threads(1)

HUB_ID = "some-lab/tiny-gemma"
ASKED = 4


@dataclass(frozen=True)
class Made:
    """A finished run.

    Attributes:
        config: of it.
        family: of its base.
        prepared: its data.
        adapter: folder.
        merged: folder.
    """

    config: Config
    family: ModelFamily
    prepared: Prepared
    adapter: Path
    merged: Path

    @property
    def items(self) -> list[Item]:
        return self.prepared.items("test")[:2]


def make_run(folder: Path) -> Made:
    base = folder / "base"
    textures = {"kind": "textures", "subjects": 12, "images_per_subject": 1}
    part = {"name": "tissue | grade", "task": "classification", "source": "phantom", "source_options": textures}
    config = Config.model_validate(
        {
            "data": {
                "root": folder / "raw",
                "cache": folder / "cache",
                "salt": "pepper",
                "mix": [part],
                "split": {"validation": 0.2, "test": 0.4},
            },
            "model": {"name": str(base), "terms": "apache-2.0"},
            "hub": {"base_model": HUB_ID, "lora_repo": "some-lab/measures", "merged_repo": "some-lab/measures-merged"},
            "lora": {"rank": 4, "alpha": 8},
            "train": {"max_steps": 2, "device_batch": 2, "accumulation": 1, "workers": 0, "lr": 5e-2},
            "evaluate": {"limit": ASKED, "max_new_tokens": 8, "bootstrap": 100},
            "run": {"folder": folder / "run"},
        }
    )
    family, prepared = _model(base, config)
    adapter = train_model(prepared, family, config)
    merged = config.run.folder / "merged"
    merge_adapter(str(base), adapter, merged, family, prepared.items("test")[:2], "float32")
    made = Made(config, family, prepared, adapter, merged)
    evaluate_made(made)
    return made


def _model(base: Path, config: Config) -> tuple[ModelFamily, Prepared]:
    """A tiny model whose tokenizer knows the words of the questions."""
    build_tiny("gemma3", base, ["What is the grade of this tissue? a b c"] * 3, seed=0, hidden=64, layers=(1, 2))
    family = load_model_family(str(base))
    return family, prepare_dataset(config.data, family)


def evaluate_made(made: Made) -> None:
    """Ask base and adapter, and write the report."""
    config, options = made.config, made.config.evaluate

    def loaded() -> Any:
        return made.family.load(config.model.name, revision=None, dtype="float32", attention="sdpa")

    tuned = with_adapter(loaded(), made.adapter)
    for who, model, files in (("base", loaded(), ()), ("tuned", tuned, weights_in(made.adapter))):
        backend = Transformers(model, options.max_new_tokens, 4, files)
        evaluate_run(made.prepared, config, who, backend, config.run.folder / "evaluation")
    build_report(config.run.folder, made.prepared, config)
