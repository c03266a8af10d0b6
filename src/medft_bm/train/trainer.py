"""TRL's trainer, and the few places where stock behaviour would mislead."""

from __future__ import annotations

from trl import SFTTrainer


class Trainer(SFTTrainer):  # type: ignore[misc]
    """``SFTTrainer`` with overrides that each say what goes wrong without them."""
