"""TRL's trainer with checkpoints that can be trusted, loaded for what they are, and judged by replies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trl import SFTTrainer

from medft_bm.train.checkpoints import load_full_model, save_whole
from medft_bm.train.stopping import Judge, judged, same_randomness


class SteadyTrainer(SFTTrainer):  # type: ignore[misc]
    """``SFTTrainer`` that goes on after an interruption as if there had been none.

    Attributes:
        judge: asked at every evaluation what the model's replies are worth.
    """

    judge: Judge | None = None

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Leaves the random numbers of training alone; stock draws a seed from them each time."""
        with same_randomness():
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)
        return metrics

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """Adds the judge's numbers where the log, the best checkpoint and early stopping look for them."""
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        if self.judge is not None and metric_key_prefix == "eval":
            output.metrics.update(judged(self, self.judge))
        return output

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Tells whole checkpoints from what a killed process left; stock goes on from either."""
        save_whole(self, lambda: super(SteadyTrainer, self)._save_checkpoint(model, trial))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Stock loads nothing into a fully fine-tuned vision-language model."""
        if not load_full_model(self, Path(resume_from_checkpoint)):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        """As above, at the end."""
        if not load_full_model(self, Path(self.state.best_model_checkpoint)):
            super()._load_best_model()

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        """Stock trains one step more when it resumes from a checkpoint of the last one."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)
