"""Read an export with LLaMA-Factory's own loader, and compare what it would train on with our rows.

python check_llamafactory.py EXPORT JSONL    # JSONL: the same data, exported as plain JSONL
"""

import json
import os
import sys
from pathlib import Path

import yaml
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer  # type: ignore[import-not-found]
from llamafactory.hparams import get_train_args  # type: ignore[import-not-found]
from llamafactory.model import load_tokenizer  # type: ignore[import-not-found]


def main() -> None:
    """One line at the end, or an error."""
    folder, plain = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    os.chdir(folder)
    given = yaml.safe_load(Path("train.yaml").read_text(encoding="utf-8"))
    # The example is for a GPU; nothing is trained here.
    given |= {"bf16": False, "output_dir": os.environ["SCRATCH"], "report_to": "none", "use_cpu": True}
    model_args, data_args, training_args, _, _ = get_train_args(given)
    module = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(module["tokenizer"], data_args)
    found = get_dataset(template, model_args, data_args, training_args, stage="sft", **module)
    for split, rows in (("train", found["train_dataset"]), ("validation", found["eval_dataset"])):
        ours = [json.loads(line) for line in (plain / f"{split}.jsonl").read_text(encoding="ascii").splitlines()]
        rows = rows[split] if isinstance(rows, dict) else rows
        assert len(rows) == len(ours), (split, len(rows), len(ours))
        for row, own in zip(rows, ours, strict=True):
            compare(row, own, template, module)
        print(f"llamafactory {split}: {len(ours)} rows read, answers and sizes as ours")


def compare(row, own, template, module) -> None:  # type: ignore[no-untyped-def]
    """Labels are the answer; the processor's output is our view."""
    prompt, answer = (message["content"][-1]["text"] for message in own["messages"])
    tokenizer = module["tokenizer"]
    labels = tokenizer.decode([token for token in row["labels"] if token != -100])
    assert labels.startswith(answer), (labels, answer)
    assert prompt in tokenizer.decode(row["input_ids"]), prompt
    made = template.mm_plugin._get_mm_inputs(row["images"], [], [], module["processor"])
    if "image_grid_thw" in made:
        patch = module["processor"].image_processor.patch_size
        h, w = (int(side) * patch for side in made["image_grid_thw"][0][1:])
    else:
        h, w = made["pixel_values"].shape[-2:]
    assert {"h": h, "w": w} == own["view"]["size"], (h, w, own["view"]["size"])


main()
