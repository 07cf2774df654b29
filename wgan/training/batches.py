"""The real images, batch by batch: shuffled epochs without replacement, end to end."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wgan.training.read_ahead import ReadAhead
from wgan.training.streams import permutation
from wgan.training.world import World

GATHERED_AT_ONCE = 4096  # Images read per call while a data set moves to the device.
READ_AHEAD_BYTES = 2**28
"""Data sets of at least this size may not stay in the page cache, so their batches are read ahead."""


class ImageSource(Protocol):
    """A prepared data set: uint8 images, all of one size."""

    @property
    def count(self) -> int:
        """Images."""
        ...

    @property
    def channels(self) -> int:
        """1 or 3."""
        ...

    @property
    def image_size(self) -> int:
        """Height and width, pixels."""
        ...

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images at `indices` (N,), as (N, C, H, W)."""
        ...


class DataOrder:
    """Which images batch `step` of a rank holds: a pure function of (seed, rank, step).

    The epochs' permutations are concatenated into one endless sequence. Step s takes the next
    world size × batch size entries and rank r takes the r-th batch of those. Within an epoch no image is repeated and
    no partial last batch is dropped; a batch may span the end of one epoch and the start of the next. The position is
    the number of critic steps done, which is all that a checkpoint needs.
    """

    def __init__(self, count: int, batch_size: int, seed: int, world: World) -> None:
        self.count, self.batch_size, self.seed, self.world = count, batch_size, seed, world
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)

    def indices(self, step: int) -> NDArray[np.int64]:
        """The indices (batch size,) of this rank's batch for critic step `step`, counted from 0."""
        return np.concatenate([self.epoch(epoch)[part] for epoch, part in self.parts(step)])

    def parts(self, step: int) -> list[tuple[int, slice]]:
        """The same batch as slices of epochs: each epoch's number and the slice of its permutation."""
        position = (step * self.world.size + self.world.rank) * self.batch_size
        parts = []
        missing = self.batch_size
        while missing:
            epoch, start = divmod(position, self.count)
            stop = min(start + missing, self.count)
            parts.append((epoch, slice(start, stop)))
            position, missing = position + stop - start, missing - (stop - start)
        return parts

    def epoch(self, epoch: int) -> NDArray[np.int64]:
        """The permutation (count,) of an epoch."""
        if epoch != self._epoch:
            self._epoch, self._permutation = epoch, permutation(self.count, self.seed, epoch)
        return self._permutation


class RealBatches:
    """Batches on `device`; on CUDA the whole data set is moved there once, if it fits in a third of the memory.

    Otherwise a thread reads batches ahead, unless the data set is small.
    """

    def __init__(self, images: ImageSource, order: DataOrder, device: torch.device) -> None:
        self.images, self.order, self.device = images, order, device
        self._resident = _moved(images, device) if device.type == "cuda" and _fits(images, device) else None
        self._epoch, self._permutation = -1, torch.empty(0, dtype=torch.int64, device=device)
        ahead = device.type == "cuda" or size_in_bytes(images) >= READ_AHEAD_BYTES
        self._ahead = ReadAhead(self._gather) if ahead and self._resident is None else None

    def batch(self, step: int) -> Tensor:
        """The batch of critic step `step`: float32 (batch size, C, H, W) in [-1, 1], channels last in memory."""
        shape = (self.order.batch_size, self.images.channels, self.images.image_size, self.images.image_size)
        return in_range_of_tanh(self.fill(torch.empty(shape, dtype=torch.uint8, device=self.device), step))

    def fill(self, pixels: Tensor, step: int) -> Tensor:
        """Copy that batch's bytes (batch size, C, H, W) into `pixels`, without waiting for the device; returns it."""
        if self._resident is not None:
            parts = [self._permutation_of(epoch)[part] for epoch, part in self.order.parts(step)]
            indices = parts[0] if len(parts) == 1 else torch.cat(parts)
            return torch.index_select(self._resident, 0, indices, out=pixels)
        gathered = self._gather(step) if self._ahead is None else self._ahead.take(step)
        return pixels.copy_(gathered, non_blocking=True)

    def _gather(self, step: int) -> Tensor:
        gathered = torch.from_numpy(self.images.gather(self.order.indices(step)))
        return gathered.pin_memory() if self.device.type == "cuda" else gathered

    def _permutation_of(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            permutation = torch.from_numpy(self.order.epoch(epoch)).pin_memory()
            self._epoch, self._permutation = epoch, permutation.to(self.device, non_blocking=True)
        return self._permutation


def in_range_of_tanh(pixels: Tensor) -> Tensor:
    """Bytes to float32 in [-1, 1], channels last: the inverse of `wgan.pixels.to_bytes`."""
    return pixels.to(torch.float32, memory_format=torch.channels_last).div_(127.5).sub_(1.0)


def size_in_bytes(images: ImageSource) -> int:
    """Bytes of all images' pixels."""
    return images.count * images.channels * images.image_size**2


def _fits(images: ImageSource, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return size_in_bytes(images) < free / 3


def _moved(images: ImageSource, device: torch.device) -> Tensor:
    shape = (images.count, images.channels, images.image_size, images.image_size)
    resident = torch.empty(shape, dtype=torch.uint8, device=device)
    for start in range(0, images.count, GATHERED_AT_ONCE):
        indices = np.arange(start, min(start + GATHERED_AT_ONCE, images.count))
        resident[start : start + len(indices)] = torch.from_numpy(images.gather(indices)).to(device)
    return resident
