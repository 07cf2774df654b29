"""The dimensions of a JPEG XL file (ISO/IEC 18181-1, D.2): its plugin decodes everything before it tells them."""

from __future__ import annotations

from wgan.data.picture import BadImage

CODESTREAM = b"\xff\x0a"
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, by the number in the header less one."""
LENGTH_BITS = (9, 13, 18, 30)


def jpegxl_size(content: bytes) -> tuple[int, int]:
    """Width and height. Raises `BadImage`."""
    start = content.find(CODESTREAM) if not content.startswith(CODESTREAM) else 0
    header = content[start + 2 : start + 14] if start >= 0 else b""
    if len(header) < 12:
        raise BadImage("it is truncated")
    bits, at = int.from_bytes(header, "little"), 0

    def take(count: int) -> int:
        nonlocal at
        value = bits >> at & ((1 << count) - 1)
        at += count
        return value

    small = take(1)

    def length() -> int:
        return 8 * (1 + take(5)) if small else 1 + take(LENGTH_BITS[take(2)])

    height = length()
    ratio = take(3)
    width = height * RATIOS[ratio - 1][0] // RATIOS[ratio - 1][1] if ratio else length()
    return width, height
