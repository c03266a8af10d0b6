"""A training that is asked to stop finishes its step, saves, and leaves in a way that a scheduler understands.

Transformers has ``enable_jit_checkpoint`` for this. It acts on SIGTERM alone, on each process by itself (one signalled
process of several would wait for the others for ever), saves before the step's update, and ends with exit code 0.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from transformers import TrainerCallback

from medft_bm.core.errors import MedftError

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""What schedulers send before they take the machine away."""


class StoppedError(MedftError):
    """Stopped on request, with a checkpoint to go on from: EX_TEMPFAIL, try again later."""

    exit_code = 75


@dataclass
class Inbox:
    """The name of the signal that has come; empty before."""

    name: str = ""


@contextmanager
def stop_signals() -> Iterator[Inbox]:
    """While this is open, a stop signal is only noted; handlers are as before afterwards.

    A signal may come several times, from the scheduler and from the launcher; the second must not kill what the first
    one made us save. Outside the main thread, where Python allows no handlers, signals act as ever.
    """
    inbox = Inbox()

    def note(number: int, _frame: FrameType | None) -> None:
        inbox.name = signal.Signals(number).name

    if threading.current_thread() is not threading.main_thread():
        yield inbox
        return
    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield inbox
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopOnSignal(TrainerCallback):  # type: ignore[misc]
    """Saves after the step during which any process was signalled, and raises :class:`StoppedError` on all of them."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.stopping = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the trainer after every update, on every process."""
        self.stopping = anywhere(bool(self.inbox.name), args) and state.global_step < state.max_steps
        if self.stopping:
            control.should_evaluate = False  # there may be half a minute left
            control.should_save = True
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the trainer once the checkpoint is written.

        Raises:
            StoppedError: it was the last thing to do.
        """
        if self.stopping:
            raise StoppedError(
                f"stopped by {self.inbox.name or 'a signal to another process'} after step {state.global_step} of "
                f"{state.max_steps}, which is saved; the same command goes on from there"
            )


def anywhere(here: bool, args: Any) -> bool:
    """Whether something is true on any process: one number per step over the network, the same answer for all."""
    if args.world_size == 1:
        return here
    import torch

    flag = torch.tensor(int(here), device=args.device)
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
    return bool(flag.item())
