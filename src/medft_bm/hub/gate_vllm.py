"""Does vLLM load the model? Asked in a process of its own, and only where it is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from medft_bm.core.errors import MedftError

NOT_INSTALLED = "not checked: vllm is not installed"
LONGEST_S = 1800
NOT_THE_MODEL = re.compile(r"memory|infer device type|no (cuda|gpu|accelerator)", re.IGNORECASE)
"""Errors that say something of this machine alone."""
_PROGRAM = """
import sys
from vllm import LLM
LLM(model=sys.argv[1], enforce_eager=True, max_model_len=2048, max_num_seqs=1)
"""


def in_vllm(folder: Path) -> str:
    """``loads``, or why that was not checked.

    Raises:
        MedftError: vLLM is installed and does not load it.
    """
    if find_spec("vllm") is None:
        return NOT_INSTALLED
    command = [sys.executable, "-c", _PROGRAM, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return f"not checked: no answer in {LONGEST_S // 60} minutes"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
        if NOT_THE_MODEL.search(last):
            return f"not checked: {last[:300]}"
        raise MedftError(
            f"vLLM cannot load it: {last[:300]}",
            where=str(folder),
            fix="nothing was sent; use a version of vLLM that knows this architecture, or uninstall it here",
        )
    return "loads"
