"""Ask another process, so that what crashes or hangs there is an answer here."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medft_bm.doctor.finding import without_folders

IMPORT_SECONDS = 120
"""For importing and trying a library: minutes are usual where it lies on a slow network disk."""
HUB_SECONDS = 30
"""For two questions to the Hub, each of which gives up after :data:`~medft_bm.doctor.probes.HTTP_SECONDS`."""


@dataclass(frozen=True)
class Answer:
    """What a probe found out.

    Attributes:
        values: plain data; empty when it failed.
        failed: why there are none, in one line; empty when there are.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    failed: str = ""


def ask(probe: str, *arguments: str, seconds: int = IMPORT_SECONDS) -> Answer:
    """Run one of ``probes.py`` in a process of its own.

    Args:
        probe: its name.
        arguments: what it takes.
        seconds: after which it is given up.
    """
    command = [sys.executable, "-m", "medft_bm.doctor.probes", probe, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return Answer(failed=f"no answer within {seconds} s")
    except OSError as error:
        return Answer(failed=f"no process could be started: {error.strerror}")
    if done.returncode:
        return Answer(failed=_why(done))
    # Libraries write to standard output when they are imported; the answer is what comes last.
    return Answer(json.loads(done.stdout.splitlines()[-1]))


def _why(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"the process died of {signal.Signals(-done.returncode).name}"
    last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
    return without_folders(last[0]) if last else f"exit code {done.returncode}"
