"""Chooses the images held out from training, so that memorisation can be distinguished from learning.

A source with its own test split holds that out. For every other source, the hash of an image's prepared pixels decides:
an image stays on its side when others are added or removed, copies are on the same side, and no class or folder is
favoured.
"""

from __future__ import annotations

import hashlib
from array import array

import numpy as np
from numpy.typing import NDArray

LEAST_HELD_OUT = 10
"""Fewer held-out images are not meaningful: then all images are trained on."""


def is_held_out(pixels: NDArray[np.uint8], fraction: float) -> bool:
    """Whether an image, uint8 (C, H, W), is among the `fraction` of all possible images that are held out."""
    digest = hashlib.sha256(pixels.tobytes()).digest()
    return int.from_bytes(digest[:8]) < fraction * 2**64


def held_out_positions(pixels: NDArray[np.uint8], fraction: float, start: int) -> array[int]:
    """Positions of the held-out images in a batch (n, C, H, W) whose first image has the position `start`."""
    return array("q", (start + row for row, image in enumerate(pixels) if is_held_out(image, fraction)))


def training_rows(count: int, held_out: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions in [0, count) that are not held out, ascending."""
    kept = np.ones(count, dtype=bool)
    kept[held_out] = False
    return np.flatnonzero(kept)
