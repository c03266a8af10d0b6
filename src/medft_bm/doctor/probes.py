"""What is tried in a process of its own: ``python -m medft_bm.doctor.probes NAME`` prints a line of JSON or dies."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

Facts: TypeAlias = dict[str, Any]
HTTP_SECONDS = 5
SIDE = 64
"""Of the small matrices that are multiplied on every GPU."""


def torch_facts() -> Facts:
    """Build and devices of torch; every device multiplies two matrices."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "nccl": torch.distributed.is_available() and torch.distributed.is_nccl_available(),
        "devices": [_device(torch, index) for index in range(torch.cuda.device_count())] if cuda else [],
    }


def _device(torch: Any, index: int) -> Facts:
    facts: Facts = {"name": torch.cuda.get_device_name(index), "error": ""}
    facts["capability"] = list(torch.cuda.get_device_capability(index))
    try:
        ones = torch.ones(SIDE, SIDE, device=f"cuda:{index}")
        if int((ones @ ones).sum()) != SIDE**3:
            facts["error"] = "a product of two matrices is wrong"
        facts["free"], facts["memory"] = torch.cuda.mem_get_info(index)
        with torch.cuda.device(index):
            facts["bf16"] = torch.cuda.is_bf16_supported(including_emulation=False)
    except RuntimeError as error:
        facts["error"] = str(error).splitlines()[0]
    return facts


def flash_attn_facts() -> Facts:
    """Import FlashAttention 2; on a GPU, attend to something."""
    import torch

    flash_attn: Any = import_module("flash_attn")

    facts: Facts = {"version": flash_attn.__version__, "tried": False}
    if torch.cuda.is_available():
        heads = torch.ones(1, 16, 2, 64, device="cuda", dtype=torch.bfloat16)
        if not torch.allclose(flash_attn.flash_attn_func(heads, heads, heads), heads):
            raise RuntimeError("attention over equal values does not return them")
        facts["tried"] = True
    return facts


def bitsandbytes_facts() -> Facts:
    """Hold numbers in 4 bits and take them back, on the GPU where there is one."""
    import torch
    from bitsandbytes import functional

    device = "cuda" if torch.cuda.is_available() else "cpu"
    numbers = torch.linspace(-1, 1, 4096, device=device).reshape(64, 64)
    held, state = functional.quantize_4bit(numbers, quant_type="nf4")
    if float((functional.dequantize_4bit(held, state) - numbers).abs().max()) > 0.2:
        raise RuntimeError("numbers held in 4 bits do not come back")
    return {"device": device}


def deepspeed_facts() -> Facts:
    """Import DeepSpeed; look for what its offloading compiles with."""
    import deepspeed

    return {"version": deepspeed.__version__, "missing": [name for name in ("g++", "ninja") if not shutil.which(name)]}


def liger_facts() -> Facts:
    """Import the kernels."""
    import liger_kernel.transformers

    return {"module": liger_kernel.transformers.__name__}


def hub_facts(model: str = "", revision: str = "") -> Facts:
    """Who is logged in, and whether a model may be read; nothing of the token.

    Args:
        model: Hub id; empty asks about none.
        revision: branch, tag or commit; empty is the newest.
    """
    from huggingface_hub import HfApi, constants, get_session, get_token

    get_session().timeout = HTTP_SECONDS
    offline, api, who = constants.HF_HUB_OFFLINE, HfApi(), ""

    def ask_who() -> None:
        nonlocal who
        who = str(api.whoami().get("name", ""))

    return {
        "host": urlsplit(constants.ENDPOINT).hostname or "?",  # the rest of an address may hold a password
        "offline": offline,
        "login": "offline" if offline else _outcome(ask_who) if get_token() else "no token",
        "who": who,
        "model": "offline" if offline or not model else _outcome(lambda: api.auth_check(model)),
        "here": bool(model) and _is_here(model, revision or None),
    }


def _outcome(call: Callable[[], None]) -> str:
    """``ok``, or why not in a word: messages of the client may quote what is secret."""
    from huggingface_hub import errors, get_session

    # Which HTTP library that is depends on the version of huggingface_hub.
    http = import_module(type(get_session()).__module__.partition(".")[0])
    try:
        call()
    except errors.GatedRepoError:
        return "gated"
    except errors.RepositoryNotFoundError:
        return "not found"
    except errors.HfHubHTTPError as error:
        return str(error.response.status_code)
    except errors.HFValidationError:
        return "no id"
    except http.TimeoutException:
        return "slow"
    except (http.HTTPError, OSError):
        return "unreachable"
    return "ok"


def _is_here(model: str, revision: str | None) -> bool:
    from huggingface_hub import errors, snapshot_download

    try:
        folder = Path(snapshot_download(model, revision=revision, local_files_only=True))
    except (errors.HFValidationError, errors.LocalEntryNotFoundError, OSError, ValueError):
        return False
    return any(folder.glob("*.safetensors"))


PROBES: dict[str, Callable[..., Facts]] = {
    "torch": torch_facts,
    "flash-attn": flash_attn_facts,
    "bitsandbytes": bitsandbytes_facts,
    "deepspeed": deepspeed_facts,
    "liger-kernel": liger_facts,
    "hub": hub_facts,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    facts = PROBES[sys.argv[1]](*sys.argv[2:])
    sys.stdout.write(f"\n{json.dumps(facts)}\n")
