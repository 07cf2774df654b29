"""Shards: plain `.npy` files of bounded size, so that memory use stays constant and each can be memory-mapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from wgan.data.images import Shape

SHARD_BYTES = 64 * 2**20


def images_per_shard(shape: Shape) -> int:
    """Number of images in `SHARD_BYTES` of pixels, at least one."""
    return max(1, SHARD_BYTES // (shape.channels * shape.image_size**2))


def regroup(batches: Iterable[NDArray[np.uint8]], shape: Shape, per_shard: int) -> Iterator[NDArray[np.uint8]]:
    """Batches (n, C, H, W) of any n as arrays of `per_shard` images, the last one shorter.

    The buffer is reused: consume each array before taking the next.
    """
    buffer = np.empty((per_shard, shape.channels, shape.image_size, shape.image_size), dtype=np.uint8)
    filled = 0
    for batch in batches:
        taken = 0
        while taken < len(batch):
            part = batch[taken : taken + per_shard - filled]
            buffer[filled : filled + len(part)] = part
            filled, taken = filled + len(part), taken + len(part)
            if filled == per_shard:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]
