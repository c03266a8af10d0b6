"""What a container or a job may use, which is often less than the machine has: control groups of Linux, old and new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

UNLIMITED = 2**60
"""Limits beyond this are how the old control groups say that there is none."""


@dataclass(frozen=True)
class Limits:
    """Of the group of this process, and of those around it.

    Attributes:
        cores: that may be busy at a time; ``None`` without a limit.
        memory: bytes; ``None`` without a limit.
    """

    cores: float | None
    memory: int | None


def read_limits(mounted: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Limits:
    """The tightest limits on this process.

    Args:
        mounted: where control groups are.
        own: file that says which of them this process is in.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return Limits(None, None)
    cores, memory = [], []
    for _, kinds, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        for folder in _around(mounted / kinds, path):
            quota = _number(folder / "cpu.cfs_quota_us") or _number(folder / "cpu.max")
            period = _number(folder / "cpu.cfs_period_us") or _number(folder / "cpu.max", 1)
            cores += [quota / period] if quota and period else []
            most = _number(folder / "memory.limit_in_bytes") or _number(folder / "memory.max")
            memory += [most] if most else []
    return Limits(min(cores, default=None), min(memory, default=None))


def _around(top: Path, path: str) -> Iterator[Path]:
    """The group of a process and those it is in; inside a container its path may be that of outside."""
    inside = Path(path.lstrip("/"))
    yield from (top / folder for folder in (inside, *inside.parents))


def _number(file: Path, word: int = 0) -> int | None:
    """A limit; ``None`` for no such file, ``max``, -1 and what is as good as no limit."""
    try:
        value = int(file.read_text(encoding="utf-8").split()[word])
    except (OSError, ValueError, IndexError):
        return None
    return value if 0 < value < UNLIMITED else None
