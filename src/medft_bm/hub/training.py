"""A training that sends its adapters: the Hub opened before it, every save handed over, and the last one waited for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from medft_bm.config.schema import Config
from medft_bm.hub.access import Access, open_hub
from medft_bm.hub.journal import last_step
from medft_bm.hub.names import wanted
from medft_bm.hub.outbox import FINAL, Outbox
from medft_bm.hub.parcel import Check

LAST_S = 1800.0
"""How long the end of a training waits at most for what is still on its way."""
STOPPED_S = 10.0
"""The same for a training that is stopped: half a minute is what schedulers leave, and its checkpoint is safe."""


class PushSaves(TrainerCallback):  # type: ignore[misc]
    """Hands every checkpoint's adapter to the outbox; for the first process alone."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the trainer once the checkpoint is whole."""
        step = state.global_step
        self.outbox.send(Path(args.output_dir) / f"checkpoint-{step}", step, f"step-{step}")

    def finish(self, adapter: Path) -> None:
        """Hand over what the training ended with."""
        self.outbox.send(adapter, last_step(self.outbox.run), FINAL)


@dataclass
class Opened:
    """The Hub, open for a training.

    Attributes:
        access: to everything that the config wants to push.
        run: folder of the training.
        outbox: what was begun.
    """

    access: Access
    run: Path
    outbox: Outbox | None = None

    def begin(self, checks: Sequence[Check]) -> PushSaves | None:
        """What the trainer calls to push adapters; ``None`` when none are wanted.

        Args:
            checks: every adapter passes them before it leaves.
        """
        repository = self.access.repositories.get("lora")
        if repository is None:
            return None
        self.run.mkdir(parents=True, exist_ok=True)
        self.outbox = Outbox(self.access.api, repository, self.run, checks)
        return PushSaves(self.outbox)


@contextmanager
def pushing(config: Config) -> Iterator[Opened]:
    """Open the Hub for all that the config wants to push, and send adapters while this is open.

    Raises:
        ConfigError: it would not be allowed, or not be possible.
        MedftError: the Hub cannot be reached now.
    """
    opened = Opened(open_hub(config, wanted(config)), config.run.folder)
    wait_s = STOPPED_S
    try:
        yield opened
        wait_s = LAST_S
    finally:
        if opened.outbox is not None:
            opened.outbox.close(wait_s)
