"""What is checked in the last seconds before a training: in the log, and in ``startup.json`` of the run folder."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from transformers import TrainerCallback

from medft_bm.core.errors import MedftError
from medft_bm.models.base import ModelFamily
from medft_bm.train.adapted import check_effect, check_names, saved_weights
from medft_bm.train.attention import check_attention
from medft_bm.train.features import check_features
from medft_bm.train.gradients import check_gradients
from medft_bm.train.labels import check_labels, spread
from medft_bm.train.rehearsal import Rehearsal, untouched

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Line:
    """One check.

    Attributes:
        check: its name.
        outcome: how it ended.
        said: what was found, or why it was skipped.
        seconds: that it took.
    """

    check: str
    outcome: Literal["passed", "skipped", "failed"]
    said: str
    seconds: float = 0.0


@dataclass
class Report:
    """Checks so far, in the order in which they ran; grows with each."""

    lines: list[Line] = field(default_factory=list)

    def run(self, name: str, check: Callable[[], str]) -> None:
        """Run one check; what it raises is noted and goes on its way."""
        started = time.perf_counter()
        try:
            line = Line(name, "passed", check(), round(time.perf_counter() - started, 2))
        except MedftError as error:
            self.lines.append(Line(name, "failed", error.what, round(time.perf_counter() - started, 2)))
            raise
        self.lines.append(line)
        log.info("%s: %s", name, line.said)

    def skip(self, name: str, why: str) -> None:
        """Note that a check does not apply."""
        self.lines.append(Line(name, "skipped", why))
        log.info("%s: not checked, %s", name, why)

    def write(self, file: Path) -> None:
        """Write the lines as JSON."""
        lines = [dataclasses.asdict(line) for line in self.lines]
        file.write_text(json.dumps(lines, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


class StartChecks(TrainerCallback):  # type: ignore[misc]
    """Runs when a training is ready for its first step: resumed, wrapped, on its device, in its precision."""

    def __init__(self, trainer: Any, items: Sequence[Item], family: ModelFamily, run: Path) -> None:
        self.trainer = trainer
        self.items = items
        self.family = family
        self.run = run

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the trainer on every process; all of them check, one writes.

        Raises:
            MedftError: a check failed; nothing was trained.
        """
        report = Report()
        try:
            with untouched(self.trainer):
                report.run("labels", lambda: str(check_labels(self.trainer, self.items)))
                self._check_model(report)
        finally:
            if state.is_world_process_zero:
                report.write(self.run / "startup.json")

    def _check_model(self, report: Report) -> None:
        trainer, model = self.trainer, self.trainer.model
        if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
            # Their engines own the backward pass, and may hold weights and gradients in pieces.
            engine = "DeepSpeed" if trainer.is_deepspeed_enabled else "FSDP"
            report.skip("model", f"{engine} runs it; a loss that is no number still stops the training")
            return
        rehearsal = Rehearsal.of(trainer, spread(len(self.items), trainer.args.per_device_train_batch_size))
        report.run("image tokens", lambda: check_features(rehearsal))
        report.run("gradients", lambda: check_gradients(rehearsal, self.family))
        if hasattr(model, "peft_config"):
            report.run("adapters", lambda: check_effect(rehearsal))
            report.run("adapter names", lambda: check_names(model, saved_weights(model)))
        report.run("attention", lambda: check_attention(trainer, rehearsal.batch))
