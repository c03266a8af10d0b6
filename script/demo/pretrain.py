"""Pre-train the demo's tiny base checkpoints on plain shapes; the demo then fine-tunes them on other phantoms.

    python script/demo/pretrain.py gemma3
    python script/demo/pretrain.py qwen2_5_vl

Starts from random weights of the real model class, trains all of them with the library's own path (prepare, TRL's
trainer) on ``script/demo/pretrain.yaml``, and writes ``script/demo/base/<family>``. Seeds are fixed. The result can
find, measure and sort shapes in pictures of 64 x 64 pixels; it is a demonstration and has no medical value.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from medft_bm.config.load import load_config
from medft_bm.config.schema import Config
from medft_bm.core.geometry import PixelMap, Size
from medft_bm.core.types import Coordinates, View
from medft_bm.models import load_model_family
from medft_bm.models.tiny import build_tiny
from medft_bm.prepare.dataset import prepare_dataset
from medft_bm.sources import load_source
from medft_bm.tasks import load_task
from medft_bm.train.run import train_model

HERE = Path(__file__).resolve().parent
SEED = 0
CARD = """---
license: apache-2.0
tags: [demonstration]
---
# Demonstration model without medical value

A tiny {family} checkpoint ({parameters:,} parameters), pre-trained from random weights on synthetic shapes by
`script/demo/pretrain.py {family}`. It exists so that the demo of medft_bm can show fine-tuning on a CPU in minutes. It
has never seen a medical image. Do not use it for anything else.
"""


def main() -> None:
    """Make one base checkpoint."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("family", choices=("gemma3", "qwen2_5_vl"))
    words.add_argument("settings", nargs="*", metavar="key=value", help="win over script/demo/pretrain.yaml")
    chosen = words.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    blank = Path("runs") / f"blank-{chosen.family}"
    run = Path("runs") / f"pretrain-{chosen.family}"
    for folder in (blank, run):
        shutil.rmtree(folder, ignore_errors=True)
    own = [f"model.name={blank}", f"run.folder={run}", f"run.seed={SEED}"]
    config = load_config(HERE / "pretrain.yaml", [*chosen.settings, *own]).config
    coordinates: Coordinates = "fraction" if chosen.family == "gemma3" else "pixel"
    demo = load_config(HERE.parents[1] / "tasks" / "demo.yaml", []).config
    build_tiny(chosen.family, blank, [*texts(config, coordinates), *texts(demo, coordinates)], seed=SEED)
    family = load_model_family(str(blank))
    made = train_model(prepare_dataset(config.data, family), family, config)
    publish(made, chosen.family)


def texts(config: Config, coordinates: Coordinates, samples: int = 60) -> Iterator[str]:
    """Prompts and answers for the tokenizer to learn its words from."""
    for part in config.data.mix:
        task, source = load_task(part.task, part.task_options), load_source(part.source, part.source_options)
        found = 0
        for unit in source.units(config.data.root):
            for record in source.records_of(config.data.root, unit, lambda what, why: None):
                there = PixelMap.stretch(record.size, Size(64, 64))
                view = View(there.dst, there.spacing(record.spacing), there, 16, coordinates)
                for sample in task.samples(record, part.name, lambda what, why: None):
                    yield task.prompt(sample, view)
                    yield task.answer(sample, view)
                    found += 1
            if found >= samples:
                break


def publish(made: Path, family: str) -> None:
    """Put the checkpoint where the demo looks for it, with a card that says what it is not."""
    from safetensors import safe_open

    target = HERE / "base" / family
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(made, target)
    with safe_open(str(target / "model.safetensors"), framework="np") as weights:
        parameters = sum(weights.get_tensor(name).size for name in weights.keys())  # noqa: SIM118
    (target / "README.md").write_text(CARD.format(family=family, parameters=parameters), encoding="utf-8")
    logging.info("wrote %s", target)


if __name__ == "__main__":
    main()
