"""Run lmms-eval on an export with replies that are known, and compare its numbers with ours.

python check_lmms_eval.py EXPORT JSONL    # JSONL: the same data, exported as plain JSONL
"""

import json
import os
import sys
from pathlib import Path

from lmms_eval import evaluator  # type: ignore[import-not-found]
from lmms_eval.api.instance import Instance  # type: ignore[import-not-found]
from lmms_eval.api.model import lmms  # type: ignore[import-not-found]
from lmms_eval.tasks import TaskManager  # type: ignore[import-not-found]
from PIL import Image
from qwen_vl_utils import process_vision_info  # type: ignore[import-not-found]

PATCHES = {"qwen2_5_vl": 14, "qwen3_vl": 16}
FOLDER, PLAIN = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()


class Known(lmms):  # type: ignore[misc]
    """Says the reference answer to every other question, and something unreadable to the rest; looks at no image."""

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Replies, after a look at what was asked."""
        replies = []
        for request in requests:
            prompt, _, visual, doc_id, task, split = request.args
            doc = self.task_dict[task][split][doc_id]
            own = OURS[doc["uid"]]
            assert prompt == own["messages"][0]["content"][1]["text"], prompt
            (picture,) = visual(doc)
            require_kept(picture, own)
            replies.append(reply(own))
        return replies

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Nobody asks."""
        raise NotImplementedError

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Nobody asks."""
        raise NotImplementedError


def require_kept(picture: Image.Image, own: dict) -> None:  # type: ignore[type-arg]
    """Qwen's pictures have the size of the view, and what its classes do first leaves them alone."""
    if FAMILY not in PATCHES:
        assert {"h": picture.height, "w": picture.width} == own["size"], own["uid"]
        return
    message = [{"role": "user", "content": [{"type": "image", "image": picture}]}]
    (seen,), _ = process_vision_info(message, image_patch_size=PATCHES[FAMILY])
    assert {"h": seen.height, "w": seen.width} == own["view"]["size"], own["uid"]


def reply(own: dict) -> str:  # type: ignore[type-arg]
    """Of about every other question the answer."""
    return own["messages"][1]["content"][0]["text"] if int(own["uid"], 16) % 2 else "I cannot tell."


OURS = {row["uid"]: row for row in map(json.loads, (PLAIN / "test.jsonl").read_text(encoding="ascii").splitlines())}

FAMILY = json.loads((FOLDER / "medft_export.json").read_text(encoding="utf-8"))["family"]


def main() -> None:
    """One line a task, or an error."""
    os.chdir("/")  # paths are found from anywhere
    manager = TaskManager(include_path=str(FOLDER))
    found = evaluator.simple_evaluate(model=Known(), tasks=["medft"], task_manager=manager, bootstrap_iters=0)
    for task, numbers in sorted(found["results"].items()):
        if any(key.endswith(",none") and "stderr" not in key for key in numbers):
            compare(task, numbers)


def compare(task: str, numbers: dict) -> None:  # type: ignore[type-arg]
    """The numbers are those of the same replies scored by medft_bm alone."""
    import pyarrow.parquet as pq

    from medft_bm.export.scoring import mean, pooled, results, shown

    docs = pq.read_table(FOLDER / f"{task}.parquet").to_pylist()
    items = [results(doc, [reply(OURS[doc["uid"]])]) for doc in docs]
    given = {key.removesuffix(",none"): value for key, value in numbers.items() if key.endswith(",none")}
    for name in items[0]:
        how = pooled if "metric" in items[0][name] else mean
        own = how([item[name] for item in items])
        assert abs(given[name] - own) < 1e-12 or (own != own and given[name] != given[name]), (name, given[name], own)
    print(f"lmms-eval {task}: {len(docs)} questions, {len(items[0])} metrics as ours, such as {next(iter(items[0]))}")
    assert shown("a, b") == "a; b"


main()
