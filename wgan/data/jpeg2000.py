"""What Pillow does not check in a JPEG 2000 file: its end, and depths that it cannot decode."""

from __future__ import annotations

import struct

from wgan.data.picture import BadImage

CODESTREAM, END = b"\xff\x4f\xff\x51", b"\xff\xd9"
COMPONENTS_AT = 40
"""Bytes from the start of the codestream to the number of components; three bytes for each component follow."""


def require_decodable(content: bytes) -> None:
    """Raise `BadImage` for a truncated file, and for depths at which Pillow's rounding turns white into black."""
    if END not in content[-64:]:
        raise BadImage("it is truncated: it has no end mark")
    at = content.find(CODESTREAM) + COMPONENTS_AT
    try:
        count = struct.unpack(">H", content[at : at + 2])[0]
        depth = max((sign_and_depth & 0x7F) + 1 for sign_and_depth in content[at + 2 : at + 2 + 3 * count : 3])
    except (struct.error, ValueError):
        raise BadImage("its JPEG 2000 header is damaged") from None
    if depth > (16 if count == 1 else 8):
        kind = "grey" if count == 1 else f"{count} components"
        raise BadImage(f"JPEG 2000 of {depth} bits with {kind} is not read")
