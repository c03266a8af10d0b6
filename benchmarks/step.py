"""What our guards and logs cost: a training step of ``medft train`` beside one of TRL's plain trainer.

python benchmarks/step.py
python benchmarks/step.py --family qwen2_5_vl --steps 40 --rounds 5
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from rounds import cpu_s

from medft_bm.cli.common import table
from medft_bm.config.load import load_config
from medft_bm.config.schema import Config

HERE = Path(__file__).resolve().parent
MIX = HERE.parent / "tasks" / "demo.yaml"
WARM_UP = 3
TARGET = 1.03
BATCH = 8
RATE = 1e-3
RANK = 16


def config_for(checkpoint: Path, folder: Path, steps: int) -> Config:
    """The demo's questions about a tiny model, with what a user gets who sets nothing else."""
    words = {
        "model.name": checkpoint,
        "data.limit.train": BATCH * steps,
        "data.limit.validation": 0,
        "train.max_steps": steps,
        "train.device_batch": BATCH,
        "train.accumulation": 1,
        "train.lr": RATE,
        "train.logging_steps": 10,
        "train.save_steps": 10 * steps,
        "train.gradient_checkpointing": "false",
        "run.folder": folder,
    }
    return load_config(MIX, [f"{key}={value}" for key, value in words.items()], environ={}).config


class Clock:
    """Time of the steps after the first few, without what comes before and after them."""

    def __init__(self) -> None:
        self.starts: list[tuple[float, float]] = []

    def callback(self) -> Any:
        """A trainer callback that looks at the clock when a step has ended."""
        from transformers import TrainerCallback

        starts = self.starts

        class Look(TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, *_: Any, **__: Any) -> None:
                starts.append((time.perf_counter(), cpu_s()))

        return Look()

    def per_step(self) -> dict[str, float]:
        """Seconds per step: wall, CPU."""
        (wall, cpu), (last_wall, last_cpu) = self.starts[WARM_UP - 1], self.starts[-1]
        steps = len(self.starts) - WARM_UP
        return {"wall_s": (last_wall - wall) / steps, "cpu_s": (last_cpu - cpu) / steps}


def ours(config: Config) -> Any:
    """The trainer that ``medft train`` makes."""
    from medft_bm.models import load_model_family
    from medft_bm.prepare.dataset import prepare_dataset
    from medft_bm.train.run import make_trainer
    from medft_bm.train.settings import sft_config

    family = load_model_family(config.model.name)
    loaded = family.load(config.model.name, revision=None, dtype="float32", attention="sdpa")
    arguments = sft_config(config, validate=False)
    return make_trainer(prepare_dataset(config.data, family), family, config, loaded, arguments)


def theirs(config: Config) -> Any:
    """TRL's example of training a vision-language model, on the same pictures and words."""
    import datasets
    from peft import LoraConfig
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import SFTConfig, SFTTrainer

    from medft_bm.models import load_model_family
    from medft_bm.prepare.dataset import prepare_dataset

    family = load_model_family(config.model.name)
    items = prepare_dataset(config.data, family).items("train")
    rows = {
        "images": [[item.image] for item in items],
        "prompt": [[{"role": "user", "content": item.prompt_text}] for item in items],
        "completion": [[{"role": "assistant", "content": item.answer_text}] for item in items],
    }
    arguments = SFTConfig(
        output_dir=str(config.run.folder / "theirs"),
        seed=config.run.seed,  # the same rows in the same order
        max_steps=config.train.max_steps,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        logging_steps=10,
        save_strategy="no",
        max_length=None,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    return SFTTrainer(
        model=AutoModelForImageTextToText.from_pretrained(config.model.name),
        args=arguments,
        train_dataset=datasets.Dataset.from_dict(rows),
        processing_class=AutoProcessor.from_pretrained(config.model.name),
        peft_config=LoraConfig(r=RANK, lora_alpha=32, target_modules=family.lora_targets(["vision", "language"])),
    )


def run_side(side: str, checkpoint: Path, folder: Path, steps: int) -> dict[str, float]:
    """Train one side in this process."""
    import torch

    torch.set_num_threads(1)
    clock = Clock()
    trainer = {"medft": ours, "TRL": theirs}[side](config_for(checkpoint, folder, steps))
    trainer.add_callback(clock.callback())
    trainer.train()
    return clock.per_step()


def measure(words: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Both sides in turn, each in a process of its own; the ratio of every round."""
    from medft_bm.models.tiny import build_tiny

    checkpoint = folder / "checkpoint"
    hidden, layers = (64, (1, 1)) if words.quick else (256, (4, 4))
    build_tiny(
        words.family, checkpoint, ["Where is the liver?"] * 3, seed=0, image_px=112, hidden=hidden, layers=layers
    )
    found: dict[str, list[dict[str, float]]] = {"TRL": [], "medft": []}
    for number in range(words.rounds):
        for side, costs in found.items():
            costs.append(_apart(side, checkpoint, folder / f"{side}{number}", words.steps))
        print(f"round {number + 1} of {words.rounds}", file=sys.stderr, flush=True)
    return [_row(name, found) for name in found]


def _apart(side: str, checkpoint: Path, folder: Path, steps: int) -> dict[str, float]:
    words = [sys.executable, __file__, "--side", side, str(checkpoint), str(folder), "--steps", str(steps)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr}")
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return cost


def _row(name: str, found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    def ratio(what: str) -> float:
        return round(median(a[what] / b[what] for a, b in zip(found[name], found["TRL"], strict=True)), 3)

    return {
        "side": name,
        "ms per step": round(1000 * median(cost["wall_s"] for cost in found[name]), 1),
        "CPU ms per step": round(1000 * median(cost["cpu_s"] for cost in found[name]), 1),
        "times TRL": ratio("wall_s"),
        "CPU times TRL": ratio("cpu_s"),
        "at most": TARGET if name == "medft" else "",
    }


def main() -> None:
    """Measure and print; or, in a process of its own, one side."""
    words = arguments()
    if words.side:
        side, checkpoint, folder = words.side
        print(json.dumps(run_side(side, Path(checkpoint), Path(folder), words.steps)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(table(measure(words, Path(folder))))


def arguments() -> argparse.Namespace:
    """The command line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--family", choices=("gemma3", "qwen2_5_vl"), default="gemma3", help="which architecture")
    words.add_argument("--steps", type=int, default=30, help="steps per side and round")
    words.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts")
    words.add_argument("--quick", action="store_true", help="a smaller model: whether it runs, no numbers")
    words.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    return words.parse_args()


if __name__ == "__main__":
    main()
