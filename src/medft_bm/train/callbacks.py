"""What happens while a model trains: the loss on disk and in the log."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

log = logging.getLogger(__name__)


class MetricsLog(TrainerCallback):  # type: ignore[misc]
    """Appends every logged line to ``metrics.jsonl``."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Called by the trainer on every process; one of them writes."""
        if not state.is_world_process_zero or not logs:
            return
        line = {"step": state.global_step, **logs}
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        shown = {key: round(value, 5) for key, value in logs.items() if key in SHOWN}
        if shown:
            log.info("step %d of %d: %s", state.global_step, state.max_steps, shown)


SHOWN = ("loss", "eval_loss", "eval_skill", "learning_rate", "grad_norm", "train_loss", "train_runtime")
