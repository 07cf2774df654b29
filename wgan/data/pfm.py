"""Portable float maps: rows of 32-bit floats from bottom to top, grey (`Pf`) or RGB (`PF`)."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from wgan.data.picture import BadImage

FIRST_BYTES = (b"Pf", b"PF")
HEADER = re.compile(rb"P([fF])\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s")


def read_pfm(content: bytes, max_pixels: int) -> NDArray[np.float32]:
    """The samples as they are stored, (H, W) or (H, W, 3), without a declared range. Raises `BadImage`."""
    if not (header := HEADER.match(content)):
        raise BadImage("its PFM header is damaged")
    width, height = int(header[2]), int(header[3])
    if width * height > max_pixels:
        raise BadImage(f"{width}×{height} pixels, more than {max_pixels:,}")
    shape = (height, width, 3) if header[1] == b"F" else (height, width)
    kind = "<f4" if header[4].startswith(b"-") else ">f4"  # the sign of the scale is the byte order
    data = content[header.end() :][: 4 * int(np.prod(shape))]
    if not data or len(data) < 4 * int(np.prod(shape)):
        raise BadImage("it is truncated")
    return np.frombuffer(data, dtype=kind).reshape(shape)[::-1].astype(np.float32)
