"""Shards: plain `.npy` files of bounded size, so that memory use stays constant and each can be memory-mapped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from wgan.data.images import Shape

SHARD_BYTES = 64 * 2**20
Block = TypeVar("Block")


@dataclass(frozen=True)
class Cut(Generic[Block]):
    """The blocks that hold a shard's images."""

    blocks: tuple[Block, ...]
    skip: int
    """Images of the first block that belong to the shard before."""
    count: int


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


def cut_into_shards(blocks: Iterable[tuple[Block, int]], per_shard: int) -> Iterator[Cut[Block]]:
    """The shards that `regroup` makes of blocks with these numbers of images, without their pixels."""
    waiting: deque[tuple[Block, int]] = deque()
    skip = held = 0

    def taken(count: int) -> Cut[Block]:
        nonlocal skip, held
        used, first, left = [], skip, count
        while left:
            block, size = waiting[0]
            part = min(left, size - skip)
            used.append(block)
            left, held, skip = left - part, held - part, skip + part
            if skip == size:
                waiting.popleft()
                skip = 0
        return Cut(tuple(used), first, count)

    for block, size in blocks:
        if size:
            waiting.append((block, size))
            held += size
        while held >= per_shard:
            yield taken(per_shard)
    if held:
        yield taken(held)
