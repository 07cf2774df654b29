"""The result of decoding a chunk of files: pixels of the good ones, reasons for the bad ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wgan.data.file_kinds import open_regular
from wgan.data.images import DecodedImage, Shape, decode, measure
from wgan.data.picture import BadImage
from wgan.data.sample_range import Extent, Scale, join
from wgan.data.source import EncodedImage


@dataclass(frozen=True)
class Decoded:
    """A run of consecutive files or array rows."""

    pixels: NDArray[np.uint8]
    """The good ones, (n, C, H, W)."""
    labels: list[int]
    """Labels of the good ones; -1 for unlabelled data."""
    bad: list[tuple[str, str]]
    """Name and reason of the bad ones."""
    remarks: list[tuple[str, str]] = field(default_factory=list)
    """Name of a good one, and a remark on how it was read."""


def decode_chunk(shape: Shape, scale: Scale, chunk: list[EncodedImage]) -> Decoded:
    """Decode some files; `scale` gives the range of samples that declare none."""
    pixels, labels, bad, remarks = [], [], [], []
    for image in chunk:
        try:
            decoded = _decode_one(image, shape, scale)
        except BadImage as error:
            bad.append((image.name, str(error)))
            continue
        pixels.append(decoded.pixels)
        labels.append(image.label)
        remarks += [(image.name, remark) for remark in decoded.remarks]
    empty = np.empty((0, shape.channels, shape.image_size, shape.image_size), dtype=np.uint8)
    return Decoded(np.stack(pixels) if pixels else empty, labels, bad, remarks)


def measure_chunk(chunk: list[EncodedImage]) -> dict[int, Extent]:
    """The joint extents, by depth, of the samples without a declared range in some files."""
    return join(extent for image in chunk if (extent := measure(image.content)))


def _decode_one(image: EncodedImage, shape: Shape, scale: Scale) -> DecodedImage:
    if image.refused:
        raise BadImage(image.refused)
    content = image.content
    if not isinstance(content, bytes) and image.sha256:
        try:
            with open_regular(content) as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BadImage(f"not readable: {error.strerror}") from None
        if found != image.sha256:
            raise BadImage("changed while it was being prepared")
    return decode(content, shape, scale)
