"""What a training step needs on a GPU, beside what `medft plan` says: models of published shapes and random weights.

python benchmarks/gpu.py
python benchmarks/gpu.py --shapes medgemma-4b --cases lora qlora --steps 20
python benchmarks/gpu.py --tiny
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from medft_bm.config.load import load_config
from medft_bm.config.schema import Config
from medft_bm.models import load_model_family
from medft_bm.models.tiny import build_tiny
from medft_bm.plan.dry_run import Measured, dry_run
from medft_bm.prepare.dataset import prepare_dataset

MIX = Path(__file__).resolve().parent.parent / "tasks" / "demo.yaml"
GIB = 2**30
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "medgemma-4b": {
        "family": "gemma3",
        "image_px": 896,
        "image_tokens": 256,
        "text_config": {
            "hidden_size": 2560,
            "num_hidden_layers": 34,
            "intermediate_size": 10240,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "query_pre_attn_scalar": 256,
            "vocab_size": 262208,
            "sliding_window": 1024,
            "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 5 + ["sliding_attention"] * 4,
        },
        "vision_config": {
            "hidden_size": 1152,
            "num_hidden_layers": 27,
            "intermediate_size": 4304,
            "num_attention_heads": 16,
        },
    },
    "qwen2.5-vl-7b": {
        "family": "qwen2_5_vl",
        "image_px": 560,
        "image_tokens": 400,
        "tie_word_embeddings": False,
        "text_config": {
            "hidden_size": 3584,
            "num_hidden_layers": 28,
            "intermediate_size": 18944,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152064,
            "layer_types": ["full_attention"] * 28,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        },
        "vision_config": {
            "hidden_size": 1280,
            "depth": 32,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
            "window_size": 112,
            "fullatt_block_indexes": [7, 15, 23, 31],
        },
    },
}
CASES: Mapping[str, Sequence[str]] = {
    "lora": ("train.method=lora",),
    "lora, no recomputing": ("train.method=lora", "train.gradient_checkpointing=false"),
    "qlora": ("train.method=qlora",),
    "full": ("train.method=full",),
    # As published with MedGemma; embeddings and head are one matrix there, and are trained as one here.
    "notebook": ("train.method=qlora", "model.attention=eager", "lora.modules_to_save=[embed_tokens]"),
}


def main() -> int:
    """Measure, and print a Markdown table for docs/gpu.md."""
    arguments = parser().parse_args()
    logging.getLogger("medft_bm").setLevel(logging.ERROR)  # the few phantoms are no split to speak of
    if not arguments.tiny and not torch.cuda.is_available():
        print("no GPU is visible; --tiny shows on a CPU that this runs")
        return 1
    rows = list(measure(arguments))
    print(markdown(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    made.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    made.add_argument("--batch", type=int, default=1, help="samples per micro-batch")
    made.add_argument("--steps", type=int, default=10, help="optimiser steps, of which the first is not timed")
    made.add_argument("--tiny", action="store_true", help="the same architectures, but tiny; also on a CPU")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    return made


def measure(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row per shape and case; a case that does not fit is a row that says so."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    for shape in arguments.shapes:
        with tempfile.TemporaryDirectory(prefix="medft-gpu-") as folder:
            make_checkpoint(SHAPES[shape], Path(folder) / "model", tiny=arguments.tiny)
            for case in arguments.cases:
                name = f"{shape}, tiny" if arguments.tiny else shape
                about = {"device": device, "model": name, "case": case, "batch": arguments.batch}
                yield {**one_case(Path(folder), CASES[case], arguments.batch, arguments.steps), **about}


def one_case(folder: Path, words: Sequence[str], batch: int, steps: int) -> dict[str, Any]:
    """Train some steps and say what they needed."""
    config = config_for(folder, words, batch)
    family = load_model_family(config.model.name)
    prepared = prepare_dataset(config.data, family, config.prepare)
    try:
        found: Measured = dry_run(prepared, family, config, steps)
    except torch.OutOfMemoryError:
        return {"out_of_memory": True}
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return found.as_json()


def config_for(folder: Path, words: Sequence[str], batch: int) -> Config:
    """The demo's questions, on images of the size that the published model sees, and a config's defaults otherwise."""
    places = [f"data.root={folder / 'raw'}", f"data.cache={folder / 'cache'}", f"run.folder={folder / 'run'}"]
    plain = ["train.sft={}", "train.gradient_checkpointing=true", "lora.dropout=0.05", "towers.vision.train=auto"]
    few = ["data.limit.train=16", "data.limit.validation=1", "data.limit.test=1", "train.accumulation=1"]
    own = [f"model.name={folder / 'model'}", f"train.device_batch={batch}", "towers.language.train=auto"]
    return load_config(MIX, [*places, *plain, *few, *own, *words], environ={}).config


def make_checkpoint(shape: Mapping[str, Any], folder: Path, *, tiny: bool) -> None:
    """A checkpoint of this shape with random weights, and a tokenizer of a few words."""
    family = shape["family"]
    if tiny:
        build_tiny(family, folder, ["How wide is it, in mm?"], seed=0, hidden=64)
        return
    build_tiny(family, folder, ["How wide is it, in mm?"], seed=0, hidden=64, image_px=shape["image_px"], patch=14)
    processor = folder / "processor_config.json"
    facts = json.loads(processor.read_text(encoding="utf-8"))
    if "image_seq_length" in facts:
        processor.write_text(json.dumps({**facts, "image_seq_length": shape["image_tokens"]}), encoding="utf-8")
    write_shape(shape, folder)
    save_random(folder)


def write_shape(shape: Mapping[str, Any], folder: Path) -> None:
    """Give a tiny checkpoint's config.json the published sizes."""
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for tower in ("text_config", "vision_config"):
        facts[tower] = {**facts[tower], **shape[tower]}
    facts["tie_word_embeddings"] = shape.get("tie_word_embeddings", facts.get("tie_word_embeddings", True))
    facts["text_config"]["tie_word_embeddings"] = facts["tie_word_embeddings"]
    if "mm_tokens_per_image" in facts:
        facts["mm_tokens_per_image"] = shape["image_tokens"]
    (folder / "config.json").write_text(json.dumps(facts), encoding="utf-8")


def save_random(folder: Path) -> None:
    """Replace the tiny weights by random ones of the size that config.json says."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    with torch.device("cuda"):
        settings = AutoConfig.from_pretrained(folder)
        model = AutoModelForImageTextToText.from_config(settings, dtype=torch.bfloat16)
    model.save_pretrained(folder)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table."""
    head = "| device | model | case | batch | peak estimated, GiB | peak measured, GiB | samples/s | MFU |"
    return "\n".join([head, "|" + "---|" * 8, *map(_line, rows)])


def _line(row: Mapping[str, Any]) -> str:
    if row.get("out_of_memory"):
        found = ["", "out of memory", "", ""]
    else:
        peak = row["peak"]
        rates = [f"{row[name]:.3g}" if name in row else "" for name in ("samples_per_second", "mfu")]
        found = [f"{peak['estimated'] / GIB:.3f}", f"{peak['measured'] / GIB:.3f}", *rates]
    return f"| {' | '.join([*(str(row[name]) for name in ('device', 'model', 'case', 'batch')), *found])} |"


if __name__ == "__main__":
    raise SystemExit(main())
