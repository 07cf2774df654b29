"""Stacked digits: three random digits as the colour channels of one image, a thousand modes (Metz et al. 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHANNELS = 3
MODES = 1000
PUBLISHED: tuple[tuple[str, float, float], ...] = (
    ("DCGAN, published", 99, 3.40),
    ("WGAN-GP, published", 959, 0.73),
    ("PacDCGAN2, published", 1000, 0.06),
)
"""Modes and reverse KL (nats) of stacked MNIST with that many samples and the authors' own networks: PacGAN, table 2,
and Kumar et al. (2019) for WGAN-GP. No published figure of a WGAN with weight clipping is known to us."""


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
