"""Which versions and machines a training ran on."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "medft_bm",
    "torch",
    "torchvision",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "tokenizers",
    "numpy",
    "pillow",
    "SimpleITK",
    "flash-attn",
    "deepspeed",
    "bitsandbytes",
    "liger-kernel",
)


def describe_environment(processes: int) -> dict[str, Any]:
    """Plain data for ``environment.json``; names no user, host or path.

    Args:
        processes: how many train together.
    """
    import torch

    cuda = torch.cuda.is_available()
    return {
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "cuda": torch.version.cuda if cuda else None,
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else ["cpu"],
        "processes": processes,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
