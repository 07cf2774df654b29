"""idx files, the format of MNIST and its relatives: a header of counts, then exactly that many bytes."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan.data.decompression import MAX_READ, Decompressed, StreamDamaged, compression_of
from wgan.errors import DataError

UNSIGNED_BYTE = 8
MOST_BYTES = 2**30


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array of an idx file of unsigned bytes, compressed or not.

    Raises `DataError` if it is of another type, truncated, or longer than its header says.
    """
    try:
        with path.open("rb") as file:
            compression = compression_of(file.read(16))
            file.seek(0)
            return _parse(Decompressed(file, compression, MOST_BYTES), dimensions)
    except StreamDamaged as damage:
        raise DataError(f"{path.name} is damaged or incomplete: {damage}.") from None
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}.") from None


def _parse(stream: Decompressed, dimensions: int) -> NDArray[np.uint8]:
    head = stream.read(4 + 4 * dimensions)
    if len(head) < 4 + 4 * dimensions or head[:4] != bytes([0, 0, UNSIGNED_BYTE, dimensions]):
        raise StreamDamaged(f"it is no idx file of unsigned bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", head[4:])
    size = math.prod(shape)
    if size > MOST_BYTES:
        raise StreamDamaged(f"its header counts {size:,} bytes")
    content = bytearray()
    while len(content) < size and (block := stream.read(min(MAX_READ, size - len(content)))):
        content += block
    if len(content) < size or stream.read(1):
        raise StreamDamaged(f"it does not hold the {size:,} bytes that its header counts")
    return np.frombuffer(bytes(content), dtype=np.uint8).reshape(shape)
