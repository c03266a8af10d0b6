"""``python -m medft_bm.hub.sender``: one upload in a process of its own, beside a training.

A thread would do until the training is asked to stop: uploads cannot be interrupted, and Python does not end before
the threads of huggingface_hub do. A process can be ended at once. The token comes through a pipe, which stays open as
long as the training lives: an upload that outlived it could cover what the next one sends.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

from medft_bm.core.errors import MedftError
from medft_bm.hub.names import Repository
from medft_bm.hub.upload import push_folder


def start(api: HfApi, folder: Path, repository: Repository, message: str, tag: str, waits: Sequence[float]) -> Any:
    """The process that sends a folder; :func:`outcome` waits for it."""
    job = {
        "api": {"endpoint": api.endpoint, "token": api.token, "library_name": api.library_name},
        "folder": str(folder),
        "repository": asdict(repository),
        "message": message,
        "tag": tag,
        "waits": list(waits),
    }
    # A session of its own: Ctrl-C at the terminal is for the training, which then ends this process.
    process = subprocess.Popen(
        [sys.executable, "-m", "medft_bm.hub.sender"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(f"{json.dumps(job)}\n")
    process.stdin.flush()
    return process


def outcome(process: Any) -> dict[str, Any]:
    """What became of it, once it is over: the fields of :class:`Pushed`, or ``why`` not."""
    with process:  # closes the pipe, after the process
        said = process.stdout.read()
        process.wait()
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError:
        return {"why": f"the sending process ended with code {process.returncode}"}
    return found


def main() -> None:
    """Send what standard input asks for; say on standard output what became of it."""
    logging.disable()
    disable_progress_bars()
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        pushed = push_folder(
            HfApi(**job["api"]),
            Path(job["folder"]),
            Repository(**job["repository"]),
            message=job["message"],
            tag=job["tag"],
            waits=job["waits"],
        )
    except MedftError as error:
        answer = {"why": error.what}
    else:
        answer = asdict(pushed)
    sys.stdout.write(json.dumps(answer))


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # not by sys.stdin, whose lock Python wants back when this process ends
    os._exit(1)


if __name__ == "__main__":
    main()
