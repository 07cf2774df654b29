"""Reads what a PNG file declares besides its pixels, and verifies its checksums: Pillow skips those of pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from wgan.data.colour import SRGB_PRIMARIES, Correction, Primaries, correction_of
from wgan.data.picture import BadImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CODED_PRIMARIES: dict[int, Primaries] = {
    1: SRGB_PRIMARIES,
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), (0.3127, 0.3290)),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), (0.3127, 0.3290)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290)),
}
"""ITU-T H.273: BT.709, BT.470BG, BT.601, BT.2020, Display P3."""
CODED_GAMMAS: dict[int, float | None] = {1: None, 4: 1 / 2.2, 5: 1 / 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}
"""H.273's transfer functions that sRGB's curve or a power approximates; others (PQ, HLG) are ignored."""


@dataclass(frozen=True)
class PngFacts:
    """What the chunks declare."""

    depth: int
    """Bits per sample."""
    colour_type: int
    correction: Correction | None
    transparent: bytes | None
    """The tRNS chunk."""
    profile: bool
    """Whether it has an ICC profile, damaged or not, which takes precedence."""


def read_facts(content: bytes) -> PngFacts:
    """Read all chunks of a PNG file. Raises `BadImage` if it is truncated or a checksum is wrong."""
    depth = colour_type = 0
    gamma: float | None = None
    primaries: Primaries | None = None
    transparent: bytes | None = None
    coded: Correction | None = None
    profile = srgb = coded_known = False
    for kind, data in _chunks(content):
        if kind == b"IHDR" and len(data) == 13:
            depth, colour_type = data[8], data[9]
        elif kind == b"iCCP":
            profile = True
        elif kind == b"sRGB":
            srgb = True
        elif kind == b"tRNS":
            transparent = data
        elif kind == b"gAMA" and len(data) == 4:
            gamma = struct.unpack(">I", data)[0] / 100_000
        elif kind == b"cHRM" and len(data) == 32:
            white, red, green, blue = ((x / 100_000, y / 100_000) for x, y in struct.iter_unpack(">2I", data))
            primaries = (red, green, blue, white)
        elif kind == b"cICP" and len(data) == 4 and data[0] in CODED_PRIMARIES and data[1] in CODED_GAMMAS:
            coded_known = True
            coded = correction_of(CODED_GAMMAS[data[1]], CODED_PRIMARIES[data[0]])
    if coded_known:
        return PngFacts(depth, colour_type, coded, transparent, profile=False)
    correction = None if profile or srgb else correction_of(gamma, primaries)
    return PngFacts(depth, colour_type, correction, transparent, profile)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    view = memoryview(content)
    while True:
        if at + 12 > len(content):
            raise BadImage("it is truncated: it has no end chunk")
        length, kind = struct.unpack(">I4s", view[at : at + 8])
        end = at + 8 + length
        if end + 4 > len(content):
            raise BadImage(f"it is truncated in its chunk {kind.decode('ascii', 'replace')!r}")
        if zlib.crc32(view[at + 4 : end]) != struct.unpack(">I", view[end : end + 4])[0]:
            raise BadImage(f"the checksum of its chunk {kind.decode('ascii', 'replace')!r} is wrong")
        if kind == b"IEND":
            return
        yield kind, b"" if kind == b"IDAT" else bytes(view[at + 8 : end])
        at = end + 4
