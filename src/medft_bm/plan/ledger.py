"""Memory that tensors take while code runs: on real tensors, and on those of the meta device, which take none."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Ledger(TorchDispatchMode):  # type: ignore[misc]
    """Counts the storage of every tensor that is made inside the block, until nothing refers to it.

    What existed before is not counted, nor what a kernel takes and gives back inside one operation.

    Attributes:
        live: bytes now.
        peak: most bytes at any time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called by torch for every operation."""
        before = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if _has_storage(leaf)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if _has_storage(leaf) and leaf.untyped_storage()._cdata not in before:
                self._enter(leaf.untyped_storage())
        return out

    def _enter(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        known = self._known.get(key)
        if known is not None and known() is not None:
            return
        self._known[key] = weakref.ref(storage)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._leave, size)

    def _leave(self, size: int) -> None:
        self.live -= size


def _has_storage(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided
