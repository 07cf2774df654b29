"""Stacked digits: three random digits as the colour channels of one image, a thousand modes (Metz et al. 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHANNELS = 3
MODES = 1000


class StackedTriples:
    """`count` triples of grey images uint8 (N, 1, H, W), chosen once from the seed, assembled on demand."""

    def __init__(self, images: NDArray[np.uint8], count: int, seed: int) -> None:
        draw = np.random.Generator(np.random.Philox(seed))
        self.images, self.chosen = images, draw.integers(len(images), size=(count, CHANNELS))
        self.shape = (count, CHANNELS, *images.shape[2:])

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Triples (n, 3, H, W) at `indices` (n,)."""
        return np.asarray(self.images[self.chosen[indices], 0])


def modes_of(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Modes 100·a + 10·b + c (N,) of the digits a, b, c (N, 3)."""
    modes: NDArray[np.int64] = classes @ np.array([100, 10, 1])
    return modes
