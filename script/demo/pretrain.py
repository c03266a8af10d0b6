"""Pre-train the demo's tiny base checkpoints on plain shapes; the demo then fine-tunes them on other phantoms.

    python script/demo/pretrain.py gemma3
    python script/demo/pretrain.py qwen2_5_vl

Starts from random weights of the real model class, trains all of them with the library's own path (prepare, TRL's
trainer) in two stages, ``pretrain_1_boxes.yaml`` and ``pretrain_2_all.yaml``, and writes ``base/<family>``, all beside
this file. Seeds are fixed; the two stages take about 20 minutes on one core. The result can
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
STAGES = ("pretrain_1_boxes", "pretrain_2_all")
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
    words.add_argument("settings", nargs="*", metavar="key=value", help="win over the YAML files of both stages")
    chosen = words.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    runs = Path("runs") / f"pretrain-{chosen.family}"
    shutil.rmtree(runs, ignore_errors=True)
    made = runs / "blank"
    build_tiny(chosen.family, made, words_of(chosen.family), seed=SEED)
    for stage in STAGES:
        where = [f"model.name={made}", f"run.folder={runs / stage}", f"run.seed={SEED}"]
        config = load_config(HERE / f"{stage}.yaml", [*chosen.settings, *where]).config
        family = load_model_family(str(made))
        made = train_model(prepare_dataset(config.data, family), family, config)
    publish(made, chosen.family)


def words_of(family: str) -> list[str]:
    """What the tokenizer learns its words from: questions and answers of both stages and of the demo."""
    coordinates: Coordinates = "fraction" if family == "gemma3" else "pixel"
    mixes = [*(HERE / f"{stage}.yaml" for stage in STAGES), HERE.parents[1] / "tasks" / "demo.yaml"]
    return [text for mix in mixes for text in texts(load_config(mix, []).config, coordinates)]


def texts(config: Config, coordinates: Coordinates, samples: int = 60) -> Iterator[str]:
    """Prompts and answers of the first few samples of every part."""
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
