"""LLaMA-Factory: its ShareGPT-like messages with pictures, ``dataset_info.json`` and a training to start from.

Formats as its 0.9.5 reads them (``data/converter.py``, ``data/mm_plugin.py``, ``data/template.py``).
"""

from __future__ import annotations

import json

import yaml

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.types import Split
from medft_bm.export.base import Export, Facts, Format, Row
from medft_bm.export.draft import Draft
from medft_bm.export.recipe import adapters, arguments
from medft_bm.export.wording import readme, window
from medft_bm.prepare.codec import load_view

NAMES: dict[Split, str] = {"train": "medft_train", "validation": "medft_validation"}
TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
STRETCHED_BELOW = 28
"""Sides in px that LLaMA-Factory enlarges for Qwen, one by one."""

BODY = """
```
cd THIS-FOLDER
llamafactory-cli train train.yaml
```

`train.yaml` is an example: the model, its template and how images are shown are as the data needs them, the rest is
how medft_bm was set up to train. Validation rows are the evaluation set. Test rows are not here, so that they cannot
be trained on: ask them with `medft evaluate`, or export them with `--format jsonl` or `--format lmms-eval`.
"""
SEEN = """
LLaMA-Factory first scales a picture to between `image_min_pixels` and `image_max_pixels` by a rule of its own, and only
then hands it to the model's processor, whose settings it takes from the checkpoint. `train.yaml` sets both limits so
that its own scaling never happens: keep them, and give them at inference too. Its default of 768 x 768 would shrink
larger pictures.
"""


def write(draft: Draft) -> None:
    """Rows, ``dataset_info.json``, ``train.yaml``, README."""
    _require_own_budget(draft.export)
    line = _line if draft.export.cells is None else _unstretched_line
    for split in NAMES:
        draft.write_lines(split, line)
    splits = {split: name for split, name in NAMES.items() if f"{split}.jsonl" in draft.rows}
    info = {name: _info(split) for split, name in splits.items()}
    draft.write("dataset_info.json", json.dumps(info, indent=2) + "\n")
    draft.write("train.yaml", yaml.safe_dump(_training(draft, "validation" in splits), sort_keys=False))
    draft.write("README.md", readme(draft, "Questions about medical images, for LLaMA-Factory", BODY, SEEN))


def _line(row: Row) -> Facts:
    messages = [{"role": "user", "content": f"<image>{row.prompt}"}, {"role": "assistant", "content": row.answer}]
    return {"uid": row.uid, "messages": messages, "images": [row.image]}


def _unstretched_line(row: Row) -> Facts:
    size = load_view(row.view).from_slice.src
    if min(size.h, size.w) < STRETCHED_BELOW:
        raise DataError(
            f"a picture of {size.h} x {size.w} px, which LLaMA-Factory would stretch first",
            where=f"sample {row.uid}",
            fix=f"leave out pictures with a side below {STRETCHED_BELOW} px, or export with --format jsonl",
        )
    return _line(row)


def _info(split: Split) -> Facts:
    columns = {"messages": "messages", "images": "images"}
    return {"file_name": f"{split}.jsonl", "formatting": "sharegpt", "columns": columns, "tags": TAGS}


def _training(draft: Draft, validation: bool) -> Facts:
    config = draft.export.config
    families = draft.format.families or {}
    method = "full" if config.train.method == "full" else "lora"
    return {
        "model_name_or_path": config.model.name,
        **({"model_revision": config.model.revision} if config.model.revision else {}),
        "template": families[draft.export.family.name],
        "image_min_pixels": 1,
        "image_max_pixels": draft.extent.pixels,
        "image_do_pan_and_scan": False,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": method,
        **({"quantization_bit": 4} if config.train.method == "qlora" else {}),
        **adapters(config),
        "dataset_dir": ".",
        "media_dir": ".",
        "dataset": NAMES["train"],
        "cutoff_len": window(draft),
        **({"eval_dataset": NAMES["validation"], "eval_strategy": "epoch"} if validation else {}),
        **arguments(config),
        "output_dir": f"../{draft.name}-trained",
    }


def _require_own_budget(export: Export) -> None:
    model = export.config.model
    if model.min_pixels is not None or model.max_pixels is not None:
        raise ConfigError(
            "LLaMA-Factory takes the budget of pixels from the checkpoint, and cannot be told another one",
            where="model.min_pixels, model.max_pixels",
            fix="leave both empty, or save a processor with that budget into a model folder and give it as model.name",
        )


FORMAT = Format(
    name="llamafactory",
    reader="LLaMA-Factory",
    needs="train",
    write=write,
    families={"gemma3": "gemma3", "qwen2_5_vl": "qwen2_vl", "qwen3_vl": "qwen3_vl_nothink"},
    reserved=("<image>", "<video>", "<audio>", "{{image}}", "{{idx}}"),
)
