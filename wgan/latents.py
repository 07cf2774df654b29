"""Noise from a seed, the same on every machine and with or without torch: numpy's Philox counter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw_latents(seed: int, count: int, latent_dim: int) -> NDArray[np.float32]:
    """Standard normal noise, shape (count, latent_dim), float32. `seed` is any integer from 0 up.

    Row i depends on (seed, i, latent_dim) only through the stream's order, so a smaller count is a prefix.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    return generator.standard_normal((count, latent_dim), dtype=np.float32)
