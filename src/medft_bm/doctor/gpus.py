"""The driver, the build of torch, and whether the two of them compute."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medft_bm.doctor.finding import Finding
from medft_bm.doctor.probe import Answer

SMI_SECONDS = 20
GIB = 2**30
BUSY = 0.5
"""A warning when less than this share of a GPU's memory is free."""
BUILDS = "https://pytorch.org/get-started/locally"


@dataclass(frozen=True)
class Driver:
    """What ``nvidia-smi`` says.

    Attributes:
        version: of the driver.
        cuda: newest CUDA it can serve, as (major, minor); ``None`` when it does not say.
        names: of the GPUs.
        failed: why it says nothing; empty when it does.
    """

    version: str = ""
    cuda: tuple[int, int] | None = None
    names: tuple[str, ...] = ()
    failed: str = ""


def read_driver() -> Driver | None:
    """Ask ``nvidia-smi``; ``None`` where there is none."""
    try:
        table = _smi()
        query = _smi("--query-gpu=driver_version,name", "--format=csv,noheader")
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        return Driver(failed=f"nvidia-smi gives no answer within {SMI_SECONDS} s")
    except (OSError, subprocess.CalledProcessError):
        return Driver(failed="nvidia-smi fails: the driver is not loaded, or another version than its tools")
    rows = [line.split(", ", 1) for line in query.splitlines() if ", " in line]
    newest = re.search(r"CUDA (?:\w+ )?Version: *(\d+)\.(\d+)", table)
    cuda = (int(newest[1]), int(newest[2])) if newest else None
    return Driver(rows[0][0] if rows else "", cuda, tuple(name for _, name in rows))


def _smi(*words: str) -> str:
    done = subprocess.run(["nvidia-smi", *words], capture_output=True, text=True, timeout=SMI_SECONDS, check=True)
    return done.stdout


def gpu_findings(driver: Driver | None, torch: Answer | None, visible: str | None, trains: bool) -> Iterator[Finding]:
    """Torch, the driver, and every GPU.

    Args:
        driver: as read.
        torch: of the probe; ``None`` when torch is not installed.
        visible: ``CUDA_VISIBLE_DEVICES``.
        trains: whether a training is asked about.
    """
    if torch is not None:
        yield _torch(torch)
    yield _driver(driver, trains)
    facts = torch.values if torch is not None else {}
    devices = facts.get("devices", ())
    yield from (_device(index, device) for index, device in enumerate(devices))
    if facts and driver and driver.names and not devices:
        yield _unseen(driver, facts, visible)
    if len(devices) > 1 and not facts["nccl"]:
        what = "torch has no NCCL, over which GPUs train together"
        yield Finding("nccl", "problem", what, f"install a build of torch for Linux with CUDA: {BUILDS}")


def _torch(torch: Answer) -> Finding:
    facts = torch.values
    if torch.failed:
        return Finding("torch", "problem", f"cannot be imported: {torch.failed}", "pip install --force-reinstall torch")
    build = f"CUDA {facts['cuda']}" if facts["cuda"] else f"ROCm {facts['hip']}" if facts["hip"] else "the CPU alone"
    return Finding("torch", "ok", f"{facts['version']}, built for {build}{', with NCCL' if facts['nccl'] else ''}")


def _driver(driver: Driver | None, trains: bool) -> Finding:
    if driver is None:
        what = "no NVIDIA driver: preparing, the demo and tiny models run, training a real one does not"
        fix = "in a container: docker run --gpus all; else install NVIDIA's driver"
        return Finding("driver", "warning" if trains else "absent", what, fix)
    if driver.failed:
        return Finding("driver", "problem", driver.failed, "restart the machine, or install the driver again")
    if not driver.names:
        return Finding("driver", "problem", f"{driver.version} shows no GPU", "look at `nvidia-smi -L` and `dmesg`")
    newest = "" if driver.cuda is None else f", up to CUDA {driver.cuda[0]}.{driver.cuda[1]}"
    return Finding("driver", "ok", f"{driver.version}{newest}, {len(driver.names)} GPU(s)")


def _device(index: int, device: Mapping[str, Any]) -> Finding:
    check = f"gpu {index}"
    name = f"{device['name']}, compute capability {'.'.join(map(str, device['capability']))}"
    if device["error"]:
        fix = f"if this build of torch has no kernels for that GPU, choose another: {BUILDS}; else look at `nvidia-smi`"
        return Finding(check, "problem", f"{name}: {device['error']}", fix)
    found = f"{name}, {device['free'] / GIB:.1f} of {device['memory'] / GIB:.1f} GiB free"
    if not device["bf16"]:
        fix = "choose a GPU of the Ampere generation or newer"
        return Finding(check, "warning", f"{found}, no bfloat16: trains in float32, with twice the memory", fix)
    if device["free"] < BUSY * device["memory"]:
        return Finding(check, "warning", f"{found}: others use it", "`nvidia-smi` shows who; or CUDA_VISIBLE_DEVICES")
    return Finding(check, "ok", f"{found}, bfloat16")


def _unseen(driver: Driver, facts: Mapping[str, Any], visible: str | None) -> Finding:
    """Why torch uses none of the GPUs that the driver shows."""
    build = tuple(map(int, facts["cuda"].split("."))) if facts["cuda"] else None
    if build is None:
        what, fix = "this build of torch knows no CUDA", f"install one that does: {BUILDS}"
    elif visible is not None and not re.match(r"\s*(\d|GPU-|MIG-)", visible):
        what, fix = f"CUDA_VISIBLE_DEVICES={visible!r} hides them", "unset CUDA_VISIBLE_DEVICES"
    elif driver.cuda is not None and driver.cuda[0] < build[0]:
        newest = f"CUDA {driver.cuda[0]}.{driver.cuda[1]}"
        what = f"the driver serves {newest} at most, and torch was built for CUDA {facts['cuda']}"
        fix = f"install a newer driver, or a build of torch for {newest} or older: {BUILDS}"
    else:
        what = "CUDA does not start"
        fix = 'python -c "import torch; torch.cuda.init()" says why; a container needs --gpus all'
    return Finding("gpus", "problem", f"torch uses none of {len(driver.names)}: {what}", fix)
