"""What becomes of a handful of files: the pixels of the good ones, the reasons of the others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan.data.images import BadImage, Shape, decode
from wgan.data.source import EncodedImage


@dataclass(frozen=True)
class Decoded:
    """A run of consecutive files or array rows."""

    pixels: NDArray[np.uint8]
    """The good ones, (n, C, H, W)."""
    labels: list[int]
    """Of the good ones; -1 where the data has no labels."""
    bad: list[tuple[str, str]]
    """Name and reason of the others."""


def decode_chunk(shape: Shape, chunk: list[EncodedImage]) -> Decoded:
    """Decode some files."""
    pixels, labels, bad = [], [], []
    for image in chunk:
        try:
            pixels.append(_decode_one(image, shape))
            labels.append(image.label)
        except BadImage as error:
            bad.append((image.name, str(error)))
    empty = np.empty((0, shape.channels, shape.image_size, shape.image_size), dtype=np.uint8)
    return Decoded(np.stack(pixels) if pixels else empty, labels, bad)


def _decode_one(image: EncodedImage, shape: Shape) -> NDArray[np.uint8]:
    if image.refused:
        raise BadImage(image.refused)
    content = image.content
    if isinstance(content, Path) and image.sha256:
        try:
            with content.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BadImage(f"not readable: {error.strerror}") from None
        if found != image.sha256:
            raise BadImage("changed while it was being prepared")
    return decode(content, shape)
