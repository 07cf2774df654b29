"""Converts the generator's range [-1, 1] to bytes, and bytes to pictures."""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image


def to_bytes(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Float images in [-1, 1], any shape, to uint8 in [0, 255], rounded to nearest; values outside are clipped."""
    scaled: NDArray[np.float32] = (np.clip(images, -1.0, 1.0) + 1.0) * 127.5
    return np.rint(scaled).astype(np.uint8)


def image_grid(images: NDArray[np.uint8], columns: int | None = None, scale: int = 1, gap: int = 2) -> Image.Image:
    """Lay images (N, C, H, W), uint8, C 1 or 3, out in rows; a nearly square grid unless `columns` is given.

    Each pixel is repeated `scale` times; `gap` white pixels separate the cells.
    """
    from PIL import Image  # training draws no pictures and needs no Pillow

    count, channels, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cell_height, cell_width = height * scale + gap, width * scale + gap
    canvas = np.full((rows * cell_height + gap, columns * cell_width + gap, channels), 255, dtype=np.uint8)
    for index, image in enumerate(images):
        top = gap + (index // columns) * cell_height
        left = gap + (index % columns) * cell_width
        enlarged = image.transpose(1, 2, 0).repeat(scale, axis=0).repeat(scale, axis=1)
        canvas[top : top + height * scale, left : left + width * scale] = enlarged
    return Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)


def png_address(picture: Image.Image) -> str:
    """The picture as PNG in a `data:` URL, for a page that needs no other file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
