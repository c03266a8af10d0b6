"""Read an export with ms-swift's own loader and template, and compare what it would train on with our rows.

python check_swift.py EXPORT JSONL    # JSONL: the same data, exported as plain JSONL
"""

import json
import os
import re
import shlex
import sys
from pathlib import Path

FOLDER, PLAIN = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
os.environ["ROOT_IMAGE_DIR"] = str(FOLDER)
os.chdir(FOLDER)

from swift.arguments import SftArguments  # type: ignore[import-not-found]  # noqa: E402
from swift.dataset import load_dataset  # type: ignore[import-not-found]  # noqa: E402
from transformers import HfArgumentParser  # noqa: E402


def main() -> None:
    """One line at the end, or an error."""
    text = re.search(r"swift sft \\\n(.*?)\"\$@\"", Path("train.sh").read_text(encoding="utf-8"), re.DOTALL)
    assert text is not None
    words = shlex.split(text[1].replace("\\\n", " "))
    options = {key.removeprefix("--"): value for key, value in zip(words[::2], words[1::2], strict=True)}
    # The example is for a GPU; nothing is trained here.
    words += ["--bf16", "false", "--torch_dtype", "float32", "--output_dir", os.environ["SCRATCH"]]
    (arguments,) = HfArgumentParser(SftArguments).parse_args_into_dataclasses(words)
    template = arguments.get_template(arguments.get_model_processor(load_model=False)[1])
    template.set_mode("train")
    for split, key in (("train", "dataset"), ("validation", "val_dataset")):
        rows, _none = load_dataset([options[key]], split_dataset_ratio=0, strict=True, use_hf=True)
        ours = [json.loads(line) for line in (PLAIN / f"{split}.jsonl").read_text(encoding="ascii").splitlines()]
        assert len(rows) == len(ours), (split, len(rows), len(ours))
        for row, own in zip(rows, ours, strict=True):
            compare(row, own, template)
        print(f"ms-swift {split}: {len(ours)} rows read, answers and sizes as ours")


def compare(row, own, template) -> None:  # type: ignore[no-untyped-def]
    """Labels are the answer; the processor's output is our view."""
    prompt, answer = (message["content"][-1]["text"] for message in own["messages"])
    encoded = template.encode(row)
    tokenizer = template.tokenizer
    labels = tokenizer.decode([token for token in encoded["labels"] if token != -100])
    assert labels.startswith(answer), (labels, answer)
    assert prompt in tokenizer.decode(encoded["input_ids"]), prompt
    if "image_grid_thw" in encoded:
        patch = template.processor.image_processor.patch_size
        h, w = (int(side) * patch for side in encoded["image_grid_thw"][0][1:])
    else:
        h, w = encoded["pixel_values"].shape[-2:]
    assert {"h": h, "w": w} == own["view"]["size"], (h, w, own["view"]["size"])


main()
