"""What happens while a model trains: the loss on disk and in the log, and a stop when it is no number."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from medft_bm.core.errors import MedftError

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


class FiniteLoss(TrainerCallback):  # type: ignore[misc]
    """Stops a training whose loss is no longer a number; nothing it saves later would be of use."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Called by the trainer with the same averaged loss on every process."""
        for key in ("loss", "grad_norm", "eval_loss", "train_loss"):
            value = (logs or {}).get(key)
            if value is not None and not math.isfinite(value):
                raise MedftError(
                    f"{key} is {value} at step {state.global_step}",
                    where=str(args.output_dir),
                    fix="lower train.lr, raise train.warmup, or look for broken images; earlier checkpoints are kept",
                )


SHOWN = ("loss", "eval_loss", "learning_rate", "grad_norm", "train_loss", "train_runtime")
