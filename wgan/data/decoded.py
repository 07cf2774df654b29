"""The result of decoding a chunk of files: pixels of the good ones, reasons for the bad ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from wgan.data.file_kinds import open_regular
from wgan.data.images import DecodedImage, Shape, decode, measure, read_content
from wgan.data.origins import Origin
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
    origins: list[Origin] = field(default_factory=list)
    """The files of the good ones; none for array rows."""
    held_out: bool | None = None
    """Whether all of them are held out of training, where the source has a test split; None: their pixels decide."""


def decode_chunk(shape: Shape, scale: Scale, chunk: Iterable[EncodedImage]) -> Decoded:
    """Decode some files; `scale` gives the range of samples that declare none."""
    pixels, labels, bad, remarks, origins = [], [], [], [], []
    for image in chunk:
        try:
            decoded = _decode_one(image, shape, scale)
        except BadImage as error:
            bad.append((image.name, str(error)))
            continue
        pixels.append(decoded.pixels)
        labels.append(image.label)
        remarks += [(image.name, remark) for remark in decoded.remarks]
        origins.append(Origin(image.name, decoded.format, *decoded.size, decoded.cropped))
    empty = np.empty((0, shape.channels, shape.image_size, shape.image_size), dtype=np.uint8)
    return Decoded(np.stack(pixels) if pixels else empty, labels, bad, remarks, origins)


def measure_chunk(chunk: Iterable[EncodedImage]) -> dict[int, Extent]:
    """The joint extents, by depth, of the samples without a declared range in some files."""
    return join(extent for image in chunk if (extent := measure(image.content)))


def with_content(image: EncodedImage) -> EncodedImage:
    """The image with its bytes, for a machine that does not have its file; a file that cannot be read is refused."""
    if image.refused or isinstance(image.content, bytes):
        return image
    try:
        _require_unchanged(image)
        return replace(image, content=read_content(image.content))
    except BadImage as error:
        return replace(image, content=b"", refused=str(error))


def _decode_one(image: EncodedImage, shape: Shape, scale: Scale) -> DecodedImage:
    if image.refused:
        raise BadImage(image.refused)
    _require_unchanged(image)
    return decode(image.content, shape, scale)


def _require_unchanged(image: EncodedImage) -> None:
    if isinstance(image.content, bytes) or not image.sha256:
        return
    try:
        with open_regular(image.content) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadImage(f"not readable: {error.strerror}") from None
    if found != image.sha256:
        raise BadImage("changed while it was being prepared")
