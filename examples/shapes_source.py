"""A custom data source: discs and squares, drawn when they are asked for.

    WGAN_PLUGINS=shapes_source PYTHONPATH=examples wgan retrain --preset digits \
        --set data.source=shapes_source:shapes --set data.name=shapes
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan.config import DataConfig
from wgan.data.source import ImageArrays, Source, content_digest
from wgan.download.access import Access

COUNT = 600
SIZE = 32
VERSION = 1
"""Raised when the pictures change: the digest says whether there is anything new to prepare."""


def shapes(config: DataConfig, access: Access) -> Source:
    """The source: cheap to identify, opened only if its digest is new. `access` has settings, storage, progress."""

    def open_shapes(scratch: Path) -> ImageArrays:
        return ImageArrays(COUNT, ("disc", "square"), [draw(config.seed)])

    digest = content_digest(source="shapes", version=VERSION, count=COUNT, seed=config.seed)
    return Source(digest, location=None, count=COUNT, open=open_shapes)


def draw(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images uint8 (COUNT, SIZE, SIZE) and their classes (COUNT,)."""
    stream = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centres = stream.uniform(10, SIZE - 10, size=(2, COUNT, 1, 1))
    across, down = np.abs(rows - centres[0]), np.abs(columns - centres[1])
    classes = np.arange(COUNT) % 2
    inside = np.where(classes[:, None, None] == 0, np.hypot(across, down) < 8, np.maximum(across, down) < 7)
    return (inside * np.uint8(255)).astype(np.uint8), classes
