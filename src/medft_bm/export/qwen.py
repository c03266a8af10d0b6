"""Qwen's own trainer, the folder ``qwen-vl-finetune`` of its repository: conversations with pictures.

Formats as ``qwenvl/data/data_processor.py`` reads them and ``qwenvl/train/argument.py`` takes options.
"""

from __future__ import annotations

from medft_bm.export.base import Facts, Format, Row
from medft_bm.export.draft import Draft
from medft_bm.export.recipe import adapters, arguments, options
from medft_bm.export.wording import readme, window

BODY = """
The trainer is the folder `qwen-vl-finetune` of Qwen's repository. Its data sets are named in its file
`qwenvl/data/__init__.py`. Add this line at the end of it, with the path of this folder:

```python
data_dict["medft"] = {"annotation_path": "/PATH/OF/THIS/FOLDER/train.jsonl", "data_path": "/PATH/OF/THIS/FOLDER"}
```

and train, in `qwen-vl-finetune`:

```
bash /PATH/OF/THIS/FOLDER/train.sh  # further words go to the trainer
```

`train.sh` is an example: the model, how images are shown and how long a row may be are as the data needs them, the rest
is how medft_bm was set up to train. This trainer does not evaluate; `validation.jsonl` is there for whoever does. Test
rows are not here, so that they cannot be trained on: ask them with `medft evaluate`, or export them with
`--format jsonl` or `--format lmms-eval`.
"""
NAMED = """

The trainer tells the architecture by the name or path of the model: `{mark}` must be in it, in whatever case.
"""
SEEN = """
`train.sh` sets `--min_pixels` and `--max_pixels` so. The trainer's default of 576 x 28 x 28 would shrink larger
pictures, and its default `--model_max_length` of 512 tokens would cut long rows.
"""
TRAIN = """#!/usr/bin/env bash
# Run in qwen-vl-finetune; further words go to the trainer.
set -euo pipefail

torchrun --nproc_per_node="${{NPROC_PER_NODE:-1}}" qwenvl/train/train_qwen.py \\
  {options} \\
  "$@"
"""


def write(draft: Draft) -> None:
    """Rows, ``train.sh``, README."""
    draft.write_lines("train", _line)
    draft.write_lines("validation", _line)
    draft.write("train.sh", TRAIN.format(options=options(_training(draft))))
    mark = (draft.format.families or {})[draft.export.family.name]
    body = f"{BODY.strip()}{NAMED.format(mark=mark)}"
    draft.write("README.md", readme(draft, "Questions about medical images, for Qwen's trainer", body, SEEN))


def _line(row: Row) -> Facts:
    said = [{"from": "human", "value": f"<image>{row.prompt}"}, {"from": "gpt", "value": row.answer}]
    return {"uid": row.uid, "image": row.image, "conversations": said}


def _training(draft: Draft) -> Facts:
    config, cells = draft.export.config, draft.export.cells
    if cells is None:
        raise TypeError(f"{draft.export.family.name} has no budget of pixels")
    given = adapters(config)
    lora = {"lora_enable": True, "lora_r": given.pop("lora_rank"), **given} if given else {"tune_mm_llm": True}
    return {
        "model_name_or_path": config.model.name,
        "dataset_use": "medft",
        "min_pixels": cells.min_pixels,
        "max_pixels": cells.max_pixels,
        "model_max_length": window(draft),
        **lora,
        **arguments(config),
        "output_dir": f"{draft.name}-trained",
    }


FORMAT = Format(
    name="qwen",
    reader="Qwen's trainer",
    needs="train",
    write=write,
    families={"qwen2_5_vl": "qwen2.5", "qwen3_vl": "qwen3"},
    reserved=("<image>", "<video>"),
    strips=True,
)
