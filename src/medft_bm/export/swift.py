"""ms-swift: its standard messages with pictures, and a training to start from.

Formats as its 4.6.0 reads them (``dataset/preprocessor/core.py``, ``template/base.py``, ``template/templates/``).
"""

from __future__ import annotations

from medft_bm.export.base import Export, Facts, Format, Row
from medft_bm.export.draft import Draft
from medft_bm.export.recipe import adapters, arguments, options
from medft_bm.export.wording import readme, window

BODY = """
```
bash train.sh                       # further words go to `swift sft`
```

`train.sh` is an example: the model and how images are shown are as the data needs them, the rest is how medft_bm was
set up to train. Paths of pictures are relative to this folder, which is what `ROOT_IMAGE_DIR` says. Validation rows are
the evaluation set. Test rows are not here, so that they cannot be trained on: ask them with `medft evaluate`, or export
them with `--format jsonl` or `--format lmms-eval`.

Boxes are part of the text. ms-swift has a field `objects` for boxes, which it would write anew in a convention of its
own: then the prompt would promise another one than the answer keeps.
"""
SEEN = """
ms-swift resizes pictures itself. For Qwen every row carries the budget of pixels in `chat_template_kwargs`, which wins
over the variables `MIN_PIXELS` and `MAX_PIXELS` and over ms-swift's defaults, and `--max_pixels` must stay unset. For
questions that are not from these files, give the same budget.
"""
TRAIN = """#!/usr/bin/env bash
# Fine-tune on the rows beside this file; further words go to `swift sft`.
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
export ROOT_IMAGE_DIR="$PWD"

swift sft \\
  {options} \\
  "$@"
"""


def write(draft: Draft) -> None:
    """Rows, ``train.sh``, README."""
    budget = _budget(draft.export)

    def line(row: Row) -> Facts:
        messages = [{"role": "user", "content": f"<image>{row.prompt}"}, {"role": "assistant", "content": row.answer}]
        return {"uid": row.uid, "messages": messages, "images": [row.image], **budget}

    draft.write_lines("train", line)
    draft.write_lines("validation", line)
    draft.write("train.sh", TRAIN.format(options=options(_training(draft))))
    draft.write("README.md", readme(draft, "Questions about medical images, for ms-swift", BODY, SEEN))


def _budget(export: Export) -> Facts:
    cells = export.cells
    if cells is None:
        return {}
    return {"chat_template_kwargs": {"min_pixels": cells.min_pixels, "max_pixels": cells.max_pixels}}


def _training(draft: Draft) -> Facts:
    config, name = draft.export.config, (draft.format.families or {})[draft.export.family.name]
    validation = {"val_dataset": "validation.jsonl"} if "validation.jsonl" in draft.rows else {}
    return {
        "model": config.model.name,
        **({"model_revision": config.model.revision} if config.model.revision else {}),
        "model_type": name,
        "template": name,  # several of its templates claim the same architecture
        "use_hf": "true",
        "dataset": "train.jsonl",
        **validation,
        "split_dataset_ratio": 0,
        "max_length": window(draft),
        "tuner_type": "full" if config.train.method == "full" else "lora",
        **({"quant_method": "bnb", "quant_bits": 4} if config.train.method == "qlora" else {}),
        **adapters(config),
        **arguments(config),
        "output_dir": f"../{draft.name}-trained",
    }


FORMAT = Format(
    name="ms-swift",
    reader="ms-swift",
    needs="train",
    write=write,
    families={"gemma3": "gemma3_vision", "qwen2_5_vl": "qwen2_5_vl", "qwen3_vl": "qwen3_vl"},
    reserved=("<image>", "<video>", "<audio>", "<bbox>", "<ref-object>", "<cot-process>", "<start-image>"),
)
