"""Writes TIFF files of any declared kind, for tests: strips, uncompressed or deflated."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray


def packed(values: NDArray[np.generic], bits: int, order: str = "<") -> bytes:
    """Rows of samples (H, W·S) as TIFF packs them: most significant bit first, rows begin at a byte."""
    if values.dtype.kind == "f" or bits % 8 == 0:
        return np.ascontiguousarray(values.astype(values.dtype.newbyteorder(order))).tobytes()
    single = (values[..., np.newaxis].astype(np.uint32) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(single.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def tiff(
    samples: NDArray[np.generic],
    bits: int,
    photometric: int,
    *,
    kind: int = 1,
    order: str = "<",
    planar: bool = False,
    deflate: bool = False,
    rows_per_strip: int | None = None,
    **more: tuple[int | float, ...] | bytes,
) -> bytes:
    """A TIFF file of samples (H, W, S); `more` are further tags as `t<number>`, of numbers (SHORT) or bytes."""
    height, width, count = samples.shape
    rows = rows_per_strip or height
    planes = [samples[..., index : index + 1] for index in range(count)] if planar else [samples]
    strips = [
        packed(plane[top : top + rows].reshape(min(rows, height - top), -1), bits, order)
        for plane in planes
        for top in range(0, height, rows)
    ]
    if deflate:
        strips = [zlib.compress(strip) for strip in strips]
    tags: dict[int, tuple[str, bytes, int]] = {}

    def put(tag: int, form: str, *values: int | float) -> None:
        tags[tag] = (form, struct.pack(f"{order}{len(values)}{form}", *values), len(values))

    for tag, value in [(256, width), (257, height), (259, 8 if deflate else 1), (262, photometric), (277, count)]:
        put(tag, "I", value)
    put(258, "H", *[bits] * count)
    put(339, "H", *[kind] * count)
    put(278, "I", rows)
    put(284, "H", 2 if planar else 1)
    for name, value in more.items():
        if isinstance(value, bytes):
            tags[int(name[1:])] = ("B", value, len(value))
        else:
            put(int(name[1:]), "f" if any(isinstance(number, float) for number in value) else "H", *value)
    offsets, at = [], 8
    for strip in strips:
        offsets.append(at)
        at += len(strip)
    put(273, "I", *offsets)
    put(279, "I", *[len(strip) for strip in strips])
    body, directory = b"".join(strips), b""
    codes = {"B": 1, "H": 3, "I": 4, "f": 11}
    for tag, (form, data, number) in sorted(tags.items()):
        where = data.ljust(4, b"\0")
        if len(data) > 4:
            where = struct.pack(order + "I", 8 + len(body))
            body += data
        directory += struct.pack(order + "HHI4s", tag, codes[form], number, where)
    mark = b"II" if order == "<" else b"MM"
    header = struct.pack(order + "2sHI", mark, 42, 8 + len(body))
    return header + body + struct.pack(order + "H", len(tags)) + directory + bytes(4)
