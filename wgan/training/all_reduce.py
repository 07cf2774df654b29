"""Averages tensors over all ranks: copied into one flat buffer, summed in one collective, divided, copied back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Layout = tuple[tuple[torch.Size, tuple[int, ...]], ...]
"""Shape and strides of each tensor."""


class FlatAverage:
    """Replaces float32 tensors by their mean over `size` ranks, in place, with one collective per call.

    The buffer is float32 and is kept for the next call with tensors of the same layout, so that a network's gradients
    have one buffer for the whole run. All ranks must pass tensors of the same layout in the same order.
    """

    def __init__(self, all_reduce: Callable[[Tensor], object], size: int) -> None:
        """`all_reduce` replaces a flat tensor by its sum over all ranks, in place."""
        self._all_reduce, self._size = all_reduce, size
        self._buffers: dict[Layout, tuple[Tensor, list[Tensor]]] = {}

    def __call__(self, tensors: Sequence[Tensor]) -> None:
        """Average them. Raises what `all_reduce` raises."""
        layout = tuple((tensor.shape, tensor.stride()) for tensor in tensors)
        if layout not in self._buffers:
            self._buffers[layout] = _buffer_for(tensors)
        buffer, parts = self._buffers[layout]
        with torch.no_grad():
            torch._foreach_copy_(parts, list(tensors))
            self._all_reduce(buffer)
            buffer.div_(self._size)
            torch._foreach_copy_(list(tensors), parts)


def _buffer_for(tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """A flat buffer, and its parts in the shape and memory layout of the tensors, so that copying is sequential."""
    buffer = torch.empty(sum(tensor.numel() for tensor in tensors), dtype=torch.float32, device=tensors[0].device)
    parts, start = [], 0
    for tensor in tensors:
        dense = torch.empty_like(tensor, device="meta").stride()  # the tensor's own, unless it has gaps
        parts.append(buffer.as_strided(tensor.shape, dense, start))
        start += tensor.numel()
    return buffer, parts
