"""The real images, batch by batch: shuffled epochs without replacement, end to end."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wgan.training.streams import permutation
from wgan.training.world import World

GATHERED_AT_ONCE = 4096  # Images read per call while a data set moves to the device.


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

    The epochs' permutations stand end to end as one endless sequence, of which step s takes the next
    world size × batch size entries and rank r the r-th batch of those. So within an epoch no image comes twice, none
    is left out because the last batch is not full, and a batch may hold the end of one epoch and the start of the next.
    The position, all that a checkpoint needs of the order, is the number of critic steps done.
    """

    def __init__(self, count: int, batch_size: int, seed: int, world: World) -> None:
        self.count, self.batch_size, self.seed, self.world = count, batch_size, seed, world
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)

    def indices(self, step: int) -> NDArray[np.int64]:
        """The indices (batch size,) of this rank's batch for critic step `step`, counted from 0."""
        position = (step * self.world.size + self.world.rank) * self.batch_size
        parts: list[NDArray[np.int64]] = []
        missing = self.batch_size
        while missing:
            epoch, start = divmod(position, self.count)
            part = self._order(epoch)[start : start + missing]
            parts.append(part)
            position, missing = position + len(part), missing - len(part)
        return np.concatenate(parts)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            self._epoch, self._permutation = epoch, permutation(self.count, self.seed, epoch)
        return self._permutation


class RealImages:
    """Batches in [-1, 1] on `device`; on CUDA the whole data set moves there once, if it fits a third of the memory."""

    def __init__(self, images: ImageSource, order: DataOrder, device: torch.device) -> None:
        self.images, self.order, self.device = images, order, device
        self._resident = _moved(images, device) if device.type == "cuda" and _fits(images, device) else None

    def batch(self, step: int) -> Tensor:
        """The batch of critic step `step`: float32 (batch size, C, H, W), channels last in memory."""
        indices = self.order.indices(step)
        if self._resident is not None:
            pixels = self._resident[torch.from_numpy(indices).pin_memory().to(self.device, non_blocking=True)]
        else:
            pixels = torch.from_numpy(self.images.gather(indices))
            if self.device.type == "cuda":
                pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        # The inverse of wgan.pixels.to_bytes.
        batch = pixels.to(self.device, torch.float32, memory_format=torch.channels_last)
        return batch.div_(127.5).sub_(1.0)


def _fits(images: ImageSource, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return images.count * images.channels * images.image_size**2 < free / 3


def _moved(images: ImageSource, device: torch.device) -> Tensor:
    shape = (images.count, images.channels, images.image_size, images.image_size)
    resident = torch.empty(shape, dtype=torch.uint8, device=device)
    for start in range(0, images.count, GATHERED_AT_ONCE):
        indices = np.arange(start, min(start + GATHERED_AT_ONCE, images.count))
        resident[start : start + len(indices)] = torch.from_numpy(images.gather(indices)).to(device)
    return resident
