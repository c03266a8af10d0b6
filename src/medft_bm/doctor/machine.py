"""What this process may use of the machine: cores, memory, shared memory, open files."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from medft_bm.doctor.cgroups import Limits
from medft_bm.doctor.finding import Finding

GIB = 2**30
LITTLE_MEMORY = 12 * GIB
"""A model of 4 billion weights takes 9 GB while it is loaded."""
LITTLE_SHARED = GIB
FEW_FILES = 1024


def machine_findings(limits: Limits, threads: str | None, loaders: int) -> Iterator[Finding]:
    """Cores, memory, shared memory, open files.

    Args:
        limits: of this process.
        threads: ``OMP_NUM_THREADS``.
        loaders: processes that load images, per device.
    """
    yield _cores(limits.cores, threads)
    yield _memory(limits.memory)
    if Path("/dev/shm").is_dir():
        yield shared_memory(shutil.disk_usage("/dev/shm").total, loaders)
    try:
        import resource
    except ImportError:  # not on Windows
        return
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 0 <= files < FEW_FILES
    fix = f"ulimit -n {most if most > 0 else 65536}" if few else ""
    yield Finding("open files", "warning" if few else "ok", f"{files if files >= 0 else 'any number'} at once", fix)


def _cores(quota: float | None, threads: str | None) -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    said = f", OMP_NUM_THREADS={threads}" if threads else ""
    if quota is None or quota >= cores:
        return Finding("cores", "ok", f"{cores}{said}")
    found = f"{cores} visible, {quota:g} of them at a time{said}"
    if threads:
        return Finding("cores", "ok", found)
    # Libraries start a thread per visible core; those beyond the quota are stopped in turn.
    return Finding("cores", "warning", found, f"export OMP_NUM_THREADS={max(1, math.floor(quota))}")


def _memory(limit: int | None) -> Finding:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    may = min(whole, limit) if limit else whole
    found = f"{may / GIB:.1f} GiB" + (f" of {whole / GIB:.1f} GiB" if may < whole else "")
    if may < LITTLE_MEMORY:
        fix = "give the container or job more memory for models of billions of weights; 16 GiB hold one of 4 billion"
        return Finding("memory", "warning", found, fix)
    return Finding("memory", "ok", found)


def shared_memory(size: int, loaders: int) -> Finding:
    """Where loading processes leave their batches; a container has 64 MiB of it unless told otherwise.

    Args:
        size: of ``/dev/shm``, bytes.
        loaders: processes that load images, per device.
    """
    found = f"{size / GIB:.2f} GiB in /dev/shm"
    if size >= LITTLE_SHARED or not loaders:
        return Finding("shared memory", "ok", found)
    return Finding("shared memory", "warning", found, "docker run --shm-size=8g (or --ipc=host); or train.workers=0")
