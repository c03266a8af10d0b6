"""Several trainings in one launch, because starting Python takes longer than a tiny training; run by torchrun.

    processes.py FOLDER '[[WORD, ...], ...]'

Each list of words is one command line of ``medft``. Notes in FOLDER whether the processes had already joined when the
rows were prepared.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import state
from accelerate.utils import DistributedType

import medft_bm.cli.train
from medft_bm.cli.main import main

torch.set_num_threads(1)


def shard_on_cpu() -> None:
    """Accelerate lets FSDP shard on accelerators only; PyTorch's FSDP works on a CPU, and so does the rest."""
    plain = state.AcceleratorState.__init__

    def shard(self: Any, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
        plain(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None:
            self.fsdp_plugin = fsdp_plugin
            self.distributed_type = state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    state.AcceleratorState.__init__ = shard


def note_when_prepared(folder: Path) -> None:
    prepare = medft_bm.cli.train.prepared_rows

    def noted(*args: Any, **kwargs: Any) -> Any:
        note = folder / f"joined-{os.environ['RANK']}"
        if not note.exists():
            note.write_text(str(torch.distributed.is_initialized()))
        return prepare(*args, **kwargs)

    medft_bm.cli.train.prepared_rows = noted


def run(lines: list[list[str]]) -> None:
    for words in lines:
        environ = dict(os.environ)
        if code := main(words):
            raise SystemExit(code)
        os.environ.clear()
        os.environ.update(environ)
        gc.collect()  # transformers asks the last DeepSpeed config that is alive


if __name__ == "__main__":
    shard_on_cpu()
    note_when_prepared(Path(sys.argv[1]))
    run(json.loads(sys.argv[2]))
