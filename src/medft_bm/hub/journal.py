"""What was sent when: ``hub.jsonl`` in the run folder; and what a training logged, in the words of a commit."""

from __future__ import annotations

import datetime
import json
import logging
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

JOURNAL = "hub.jsonl"
SPOKEN = {"eval_loss": "eval_loss", "eval_skill": "skill", "loss": "loss"}
"""Logged numbers to their words in a commit message; the training loss only where nothing better is known."""


def note(run: Path, **facts: Any) -> None:
    """Append one line, with the time; where nothing can be written, what was sent is sent all the same."""
    line = {"time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), **facts}
    try:
        with (run / JOURNAL).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        log.warning("%s cannot be written: %s", run / JOURNAL, error.strerror or error)


def last_step(run: Path) -> int:
    """The last step that ``metrics.jsonl`` tells of; 0 for none."""
    return max((int(line.get("step", 0)) for line in _logged(run)), default=0)


def words_for(run: Path, step: int) -> str:
    """``step 500: eval_loss 0.41, skill 0.32``, with what was logged at that step."""
    found: dict[str, float] = {}
    for line in _logged(run):
        if line.get("step") == step:
            found.update({SPOKEN[key]: value for key, value in line.items() if key in SPOKEN})
    if "eval_loss" in found:
        found.pop("loss", None)
    numbers = ", ".join(f"{name} {found[name]:.3g}" for name in SPOKEN.values() if name in found)
    return f"step {step}" + (f": {numbers}" if numbers else "")


def _logged(run: Path) -> list[dict[str, Any]]:
    file = run / "metrics.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [line for text in lines if isinstance(line := _parsed(text), dict)]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None  # cut off when a process was killed
