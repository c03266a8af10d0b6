"""What autocast and fused attention do to tensors of the meta device, which torch itself does for real devices only."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

ROUNDED = {
    *(functional.linear, functional.bilinear, functional.conv2d, functional.conv3d, torch.conv2d, torch.conv3d),
    *(torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.bmm, torch.Tensor.bmm, torch.mm, torch.addmm),
    *(torch.baddbmm, torch.einsum),
}
"""Operations that autocast carries out in bfloat16, as far as vision-language models use them."""
EXACT = {
    *(functional.layer_norm, functional.softmax, torch.softmax, torch.Tensor.softmax, torch.pow, torch.Tensor.pow),
    *(torch.Tensor.__pow__, torch.rsqrt, torch.Tensor.rsqrt, torch.exp, torch.Tensor.exp, torch.sum, torch.Tensor.sum),
}
"""Operations that autocast carries out in float32 on CUDA."""


class Emulation(TorchFunctionMode):  # type: ignore[misc]
    """Autocast to bfloat16, if wanted, and attention that never holds the weights of all pairs.

    Args:
        autocast: whether the trainer would.

    Attributes:
        forward: inside the forward pass autocast keeps what it made of a trained weight until the pass ends.
    """

    def __init__(self, *, autocast: bool) -> None:
        super().__init__()
        self.autocast = autocast
        self.forward = True
        self._kept: dict[int, Any] = {}

    def drop_rounded(self) -> None:
        """Let go of the rounded weights, as autocast does at its end."""
        self._kept.clear()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called by torch for every function."""
        kwargs = kwargs or {}
        if func is not torch.Tensor.__getitem__:
            args, kwargs = _on_one_device(args, kwargs)
        attention = func is functional.scaled_dot_product_attention
        if self.autocast and (attention or func in ROUNDED):
            args, kwargs = tree_map(self._rounded, (args, kwargs))
        elif self.autocast and func in EXACT:
            args, kwargs = tree_map(_exact, (args, kwargs))
        if attention:
            return _attend(*args[:3], *args[3:4], **{k: v for k, v in kwargs.items() if k == "attn_mask"})
        return func(*args, **kwargs)

    def _rounded(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.dtype != torch.float32:
            return value
        if not (self.forward and value.is_leaf and value.requires_grad):
            return value.bfloat16()
        if id(value) not in self._kept:
            self._kept[id(value)] = value.bfloat16()
        return self._kept[id(value)]


def _on_one_device(args: Any, kwargs: Any) -> Any:
    """Numbers that code has looked at, like positions, join the tensors without content that they are used with."""
    devices = {leaf.device.type for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
    if devices != {"cpu", "meta"}:
        return args, kwargs
    return tree_map(lambda leaf: leaf.to("meta") if isinstance(leaf, torch.Tensor) else leaf, (args, kwargs))


def _exact(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16 else value


def _attend(query: Any, key: Any, value: Any, attn_mask: Any = None) -> Any:
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.empty_like(attn_mask, dtype=query.dtype)  # the kernels add it to the scores
    return _FusedAttention.apply(query, key, value, attn_mask)


class _FusedAttention(torch.autograd.Function):  # type: ignore[misc]
    """Keeps what flash and memory-efficient attention keep: inputs, output and one sum per query, not the weights."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, mask: Any) -> Any:
        batch, heads, length, _ = query.shape
        # The kernels write token by token, so that joining the heads afterwards copies nothing.
        out = query.new_empty(batch, length, heads, value.shape[-1]).transpose(1, 2)
        sums = query.new_empty(batch, heads, length, dtype=torch.float32)
        ctx.save_for_backward(query, key, value, mask, out, sums)
        return out

    @staticmethod
    def backward(ctx: Any, *_grad: Any) -> Any:
        query, key, value, *_ = ctx.saved_tensors
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value), None
