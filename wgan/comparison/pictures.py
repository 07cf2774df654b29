"""Embeds pictures in the report: PNG in `data:` URLs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wgan.pixels import image_grid, png_address

GRID_COLUMNS = 8
SMALLEST = 64
"""Minimum pixels of an image in a grid; the browser enlarges single ones."""


def grid_address(images: NDArray[np.uint8]) -> str:
    """A grid of images (N, C, H, W), uint8, eight in a row."""
    return png_address(image_grid(images, columns=GRID_COLUMNS, scale=max(1, SMALLEST // images.shape[-1])))


def image_address(image: NDArray[np.uint8]) -> str:
    """One image (C, H, W), uint8, C 1 or 3, pixel by pixel."""
    return png_address(Image.fromarray(image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)))
