"""The tags of a TIFF file's first image (classic and BigTIFF, either byte order), with bounded sizes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

from wgan.data.picture import BadImage

MOST_ENTRIES = 4096
TYPES = {
    1: "B", 2: "s", 3: "H", 4: "I", 5: "2I", 6: "b", 7: "s", 8: "h", 9: "i", 10: "2i", 11: "f", 12: "d", 13: "I",
    16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 274, 277, 278, 279, 284
PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTES = 317, 320, 322, 323, 324, 325
INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, SMALLEST, LARGEST = 332, 338, 339, 340, 341
YCBCR_COEFFICIENTS, YCBCR_SUBSAMPLING, REFERENCE_BLACK_WHITE, ICC_PROFILE = 529, 530, 532, 34675
JPEG_TABLES = 347


@dataclass(frozen=True)
class Tags:
    """Tags of one image."""

    order: Literal["<", ">"]
    """struct's and numpy's mark of the byte order."""
    values: dict[int, Any]
    more_pages: bool

    def one(self, tag: int, default: Any = None) -> Any:
        """The first value of a tag."""
        value = self.values.get(tag)
        return value[0] if value else default

    def all(self, tag: int, default: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """All values of a tag."""
        return tuple(self.values.get(tag) or default)


def read_tags(content: bytes) -> Tags:
    """The tags of the first image. Raises `BadImage`."""
    try:
        return _read(content)
    except (struct.error, KeyError, IndexError, OverflowError, MemoryError):
        raise BadImage("its TIFF directory is damaged") from None


def _read(content: bytes) -> Tags:
    order: Literal["<", ">"] = "<" if content[:2] == b"II" else ">"
    big = struct.unpack(order + "H", content[2:4])[0] == 43
    start = struct.unpack(order + "Q", content[8:16])[0] if big else struct.unpack(order + "I", content[4:8])[0]
    count_form, entry_form, inline = ("Q", "HHQ8s", 8) if big else ("H", "HHI4s", 4)
    entry_size, count_size = struct.calcsize(order + entry_form), struct.calcsize(order + count_form)
    count = struct.unpack(order + count_form, content[start : start + count_size])[0]
    if count > MOST_ENTRIES:
        raise BadImage("its TIFF directory is damaged")
    values: dict[int, Any] = {}
    at = start + count_size
    for _ in range(count):
        tag, kind, number, where = struct.unpack(order + entry_form, content[at : at + entry_size])
        at += entry_size
        if form := TYPES.get(kind):
            values.setdefault(tag, _value(content, order, form, number, where, inline))
    following = content[at : at + inline]
    return Tags(order, values, len(following) == inline and any(following))


def _value(content: bytes, order: str, form: str, number: int, where: bytes, inline: int) -> Any:
    size = number * struct.calcsize(order + form)
    if size > len(content):
        raise BadImage("its TIFF directory is damaged")
    if size <= inline:
        data = where[:size]
    else:
        offset = struct.unpack(order + ("Q" if inline == 8 else "I"), where)[0]
        data = content[offset : offset + size]
        if len(data) < size:
            raise BadImage("it is truncated")
    if form == "s":
        return data
    if form in ("2I", "2i"):
        numbers = struct.unpack(f"{order}{2 * number}{form[1]}", data)
        return tuple(a / b if b else 0.0 for a, b in zip(numbers[::2], numbers[1::2], strict=True))
    return struct.unpack(f"{order}{number}{form}", data)
