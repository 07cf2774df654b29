"""Reads the samples of a TIFF image: any depth from 1 to 64 bits, strips or tiles, any byte order.

Pillow misreads some depths and cannot read others, but its libtiff supports the byte compressions. Each strip or tile
is passed to it as a grey image of bytes, and the result is unpacked here.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wgan.data import tiff_tags as t
from wgan.data.picture import BadImage
from wgan.data.tiff_tags import Tags

UNCOMPRESSED, ADOBE_DEFLATE, OLD_DEFLATE = 1, 8, 32946
THROUGH_LIBTIFF = {5: "LZW", 32773: "PackBits", 34925: "LZMA", 50000: "Zstandard"}
READ_COMPRESSIONS = {UNCOMPRESSED, ADOBE_DEFLATE, OLD_DEFLATE, *THROUGH_LIBTIFF}
UNSIGNED, SIGNED, FLOATING, UNDEFINED = 1, 2, 3, 4
ROWS_UNPACKED = 64
MOST_BYTES = 2**30
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Layout:
    """The layout of samples in the file."""

    width: int
    height: int
    samples: int
    bits: int
    kind: int
    """SampleFormat."""
    planar: bool
    chunk_width: int
    chunk_height: int
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def per_chunk(self) -> int:
        """Samples of a pixel that lie in one chunk."""
        return 1 if self.planar else self.samples

    @property
    def row_bytes(self) -> int:
        """Bytes per row of a chunk."""
        return -(-self.chunk_width * self.per_chunk * self.bits // 8)

    def chunks(self) -> Iterator[tuple[int, int, int, int]]:
        """Number, plane, top and left of each chunk."""
        number = 0
        for plane in range(self.samples if self.planar else 1):
            for top in range(0, self.height, self.chunk_height):
                for left in range(0, self.width, self.chunk_width):
                    yield number, plane, top, left
                    number += 1


def layout_of(tags: Tags) -> Layout:
    """The layout of an image. Raises `BadImage` for contradictory tags or differing depths."""
    width, height = tags.one(t.WIDTH, 0), tags.one(t.LENGTH, 0)
    samples = tags.one(t.SAMPLES, 1)
    bits, kinds = tags.all(t.BITS, (1,)), tags.all(t.SAMPLE_FORMAT, (UNSIGNED,))
    if len(set(bits)) != 1 or len(set(kinds)) != 1:
        raise BadImage(f"samples of different depths in one TIFF ({bits} bits)")
    if not (width > 0 and height > 0 and 0 < samples <= 32 and 0 < bits[0] <= 64):
        raise BadImage("its TIFF directory is damaged")
    if width * height * samples * max(8, bits[0]) // 8 > MOST_BYTES:
        raise BadImage(f"more than {MOST_BYTES:,} bytes of samples")
    planar = tags.one(t.PLANAR, 1) == 2 and samples > 1
    if t.TILE_OFFSETS in tags.values:
        shape = tags.one(t.TILE_WIDTH, 0), tags.one(t.TILE_LENGTH, 0)
        offsets, sizes = tags.all(t.TILE_OFFSETS), tags.all(t.TILE_BYTES)
        if not (0 < shape[0] <= 2 * width + 1024 and 0 < shape[1] <= 2 * height + 1024):
            raise BadImage("its TIFF directory is damaged")
    else:
        shape = width, min(tags.one(t.ROWS_PER_STRIP, height) or height, height)
        offsets, sizes = tags.all(t.STRIP_OFFSETS), tags.all(t.STRIP_BYTES)
    layout = Layout(width, height, samples, bits[0], kinds[0], planar, *shape, offsets, sizes)
    needed = -(-height // shape[1]) * -(-width // shape[0]) * (samples if planar else 1)
    if len(offsets) < needed:
        raise BadImage("it is truncated: strips or tiles are missing")
    return layout


def read_samples(content: bytes, tags: Tags, layout: Layout) -> NDArray[np.generic]:
    """All samples, (height, width, samples), in the smallest type that holds their depth. Raises `BadImage`."""
    result: NDArray[np.generic] = np.zeros((layout.height, layout.width, layout.samples), dtype=_type(layout))
    for number, plane, top, left in layout.chunks():
        rows = layout.chunk_height
        if t.TILE_OFFSETS not in tags.values:
            rows = min(rows, layout.height - top)
        chunk = _unpacked(chunk_bytes(content, tags, layout, number, rows, layout.row_bytes), tags, layout, rows)
        height, width = min(rows, layout.height - top), min(layout.chunk_width, layout.width - left)
        planes = slice(plane, plane + 1) if layout.planar else slice(None)
        result[top : top + height, left : left + width, planes] = chunk[:height, :width]
    return result


def chunk_bytes(content: bytes, tags: Tags, layout: Layout, number: int, rows: int, row_bytes: int) -> bytes:
    """The decompressed content of one strip or tile. Raises `BadImage` if it is too short."""
    compression = tags.one(t.COMPRESSION, UNCOMPRESSED)
    expected, start = rows * row_bytes, layout.offsets[number]
    size = layout.sizes[number] if number < len(layout.sizes) else len(content)
    if compression == UNCOMPRESSED:
        size = max(size, expected)  # some writers store a wrong size
    data = content[start : start + size]
    if tags.one(t.FILL_ORDER, 1) == 2:
        data = data.translate(REVERSED_BITS)
    try:
        if compression in (ADOBE_DEFLATE, OLD_DEFLATE):
            data = zlib.decompressobj().decompress(data, expected)
        elif compression != UNCOMPRESSED:
            data = _through_libtiff(data, compression, rows, row_bytes)
    except (zlib.error, OSError, ValueError, SyntaxError) as error:
        raise BadImage(f"a strip or tile is damaged or truncated ({error})") from None
    if len(data) < expected:
        raise BadImage("it is truncated: a strip or tile has too few bytes")
    return data[:expected]


def _through_libtiff(data: bytes, compression: int, rows: int, row_bytes: int) -> bytes:
    tags = [(256, row_bytes), (257, rows), (258, 8), (259, compression), (262, 1), (273, 0), (277, 1), (278, rows)]
    tags.append((279, len(data)))
    start = 8 + 2 + 12 * len(tags) + 4
    header = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    for tag, value in tags:
        header += struct.pack("<HHII", tag, 4, 1, start if tag == 273 else value)
    with Image.open(io.BytesIO(header + bytes(4) + data), formats=["TIFF"]) as image:
        return image.tobytes()


def _type(layout: Layout) -> np.dtype[np.generic]:
    kinds = {UNSIGNED: "u", UNDEFINED: "u", SIGNED: "i", FLOATING: "f"}
    kind = kinds.get(layout.kind)
    size = layout.bits // 8 if kind != "u" else next(size for size in (1, 2, 4, 8) if 8 * size >= layout.bits)
    whole = layout.bits == 8 * size or (kind == "u" and layout.bits < 16)
    if kind is None or not whole or (kind == "f" and size not in (2, 4, 8)) or size not in (1, 2, 4, 8):
        raise BadImage(f"TIFF samples of {layout.bits} bits and SampleFormat {layout.kind} are not read")
    return np.dtype(f"{kind}{size}")


def _unpacked(data: bytes, tags: Tags, layout: Layout, rows: int) -> NDArray[np.generic]:
    """(rows, chunk width, samples in the chunk)"""
    kind, width, samples = _type(layout), layout.chunk_width, layout.per_chunk
    predictor = tags.one(t.PREDICTOR, 1) if tags.one(t.COMPRESSION, UNCOMPRESSED) != UNCOMPRESSED else 1
    if layout.bits != 8 * kind.itemsize:
        if predictor != 1:
            raise BadImage(f"a predictor for samples of {layout.bits} bits")
        return _from_bits(data, layout, rows).reshape(rows, width, samples)
    if predictor == 3:
        return _from_float_bytes(data, kind, rows, width, samples)
    ordered = np.frombuffer(data, dtype=kind.newbyteorder(tags.order)).reshape(rows, width, samples)
    if predictor == 2 and kind.kind != "f":
        return np.add.accumulate(ordered.astype(kind), axis=1, dtype=kind)
    if predictor != 1:
        raise BadImage(f"predictor {predictor} for this kind of samples")
    return ordered


def _from_bits(data: bytes, layout: Layout, rows: int) -> NDArray[np.generic]:
    values, bits = layout.chunk_width * layout.per_chunk, layout.bits
    packed = np.frombuffer(data, dtype=np.uint8).reshape(rows, layout.row_bytes)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    result = np.empty((rows, values), dtype=_type(layout))
    for top in range(0, rows, ROWS_UNPACKED):
        single = np.unpackbits(packed[top : top + ROWS_UNPACKED], axis=1)[:, : values * bits]
        result[top : top + ROWS_UNPACKED] = single.reshape(len(single), values, bits) @ weights
    return result


def _from_float_bytes(
    data: bytes, kind: np.dtype[np.generic], rows: int, width: int, samples: int
) -> NDArray[np.generic]:
    """Predictor 3: differences of bytes, the most significant of all values first."""
    planes = np.frombuffer(data, dtype=np.uint8).reshape(rows, -1, samples)
    summed = np.add.accumulate(planes, axis=1, dtype=np.uint8).reshape(rows, kind.itemsize, width * samples)
    values = np.ascontiguousarray(summed.transpose(0, 2, 1)).view(kind.newbyteorder(">"))
    return values.reshape(rows, width, samples)
