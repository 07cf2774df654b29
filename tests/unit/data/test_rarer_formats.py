"""Rarer files of a known format are read as they declare, or refused with a reason that names what is missing."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from tests.unit.data.tiff_writer import tiff
from wgan.data.file_kinds import reason_to_leave_out
from wgan.data.images import Shape, decode, measure
from wgan.data.picture import NO_ALPHA, NO_RANGE, BadImage
from wgan.data.sample_range import join, scale_of

SIDE = 16
RGB = Shape(SIDE, 3)
SHARES = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.float32) / np.float32(255)
COLOURS = np.rint(SHARES * 255).astype(np.uint8)


def pfm(shares: np.ndarray, order: str = "<") -> bytes:
    """As http://www.pauldebevec.com/Research/HDR/PFM describes it: rows from bottom to top, the sign is the order."""
    mark = b"PF" if shares.ndim == 3 else b"Pf"
    header = b"%s\n%d %d\n%s\n" % (mark, shares.shape[1], shares.shape[0], b"-1.0" if order == "<" else b"1.0")
    return header + shares[::-1].astype(f"{order}f4").tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("white", [1.0, 1.04, 255.0])
def test_a_float_map_of_colours_or_grey_is_read(order: str, white: float) -> None:
    for shares in (SHARES, SHARES[..., 0]):
        content = pfm(shares * white, order)
        extent = measure(content)
        assert extent is not None
        decoded = decode(content, RGB, scale_of([join([extent])]))
        expected = np.clip(shares * (white if white < 2 else 1), 0, 1) * 255
        if shares.ndim == 2:
            expected = np.repeat(expected[..., np.newaxis], 3, axis=2)
        assert np.abs(decoded.pixels.transpose(1, 2, 0) - expected).max() < 1
        assert decoded.remarks == (NO_RANGE,)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pfm(SHARES)[:-1], "it is truncated"),
        (b"PF\n0 0\n-1.0\n", "it is truncated"),
        (b"PF\n99999999 99999999\n-1.0\n", "more than"),
        (b"PF\nwide high\n", "its PFM header is damaged"),
    ],
)
def test_a_damaged_float_map_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        decode(content, RGB)
    assert measure(content) is None


def bmp_with_alpha(alpha: np.ndarray) -> bytes:
    """Version 5 of the header, which declares an alpha channel."""
    body = np.concatenate([COLOURS[..., ::-1], alpha[..., np.newaxis]], axis=2)[::-1].astype(np.uint8).tobytes()
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = (struct.pack("<IiiHHIIiiII", 124, SIDE, SIDE, 1, 32, 3, len(body), 0, 0, 0, 0) + masks).ljust(124, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(body), 0, 0, 14 + len(header)) + header + body


def test_the_alpha_of_a_bitmap_is_composited_unless_it_is_zero_everywhere() -> None:
    half = np.where(np.arange(SIDE) < SIDE // 2, 255, 0) * np.ones((SIDE, 1), int)
    shown = decode(bmp_with_alpha(half), RGB).pixels.transpose(1, 2, 0)
    assert np.array_equal(shown[:, : SIDE // 2], COLOURS[:, : SIDE // 2])
    assert (shown[:, SIDE // 2 :] == 255).all()
    unset = decode(bmp_with_alpha(np.zeros((SIDE, SIDE))), RGB)
    assert np.array_equal(unset.pixels.transpose(1, 2, 0), COLOURS)
    assert unset.remarks == (NO_ALPHA,)


def jpeg2000(image: Image.Image) -> bytes:
    saved = io.BytesIO()
    image.save(saved, "JPEG2000", no_jp2=True)
    return saved.getvalue()


def test_jpeg_2000_is_read_in_the_depths_that_are_decoded_correctly() -> None:
    assert np.array_equal(decode(jpeg2000(Image.fromarray(COLOURS)), RGB).pixels.transpose(1, 2, 0), COLOURS)
    grey = np.rint(SHARES[..., 0] * 65535).astype(np.uint16)
    shown = decode(jpeg2000(Image.fromarray(grey)), Shape(SIDE, 1)).pixels[0]
    assert np.abs(shown - SHARES[..., 0] * 255).max() <= 1
    deep = bytearray(jpeg2000(Image.fromarray(COLOURS)))
    deep[42:51:3] = bytes([11]) * 3  # depths of the three components, less one: 12 bits
    with pytest.raises(BadImage, match="JPEG 2000 of 12 bits with 3 components is not read"):
        decode(bytes(deep), RGB)


def test_a_compression_of_tiff_that_is_not_read_is_named() -> None:
    content = tiff(COLOURS, 8, 2)
    for code, name in [(34712, "JPEG 2000"), (34887, "LERC"), (50002, "JPEG XL"), (61000, "61000")]:
        altered = content.replace(struct.pack("<HHII", 259, 4, 1, 1), struct.pack("<HHII", 259, 4, 1, code))
        with pytest.raises(BadImage, match=f"a TIFF of the compression {name}, which is not read"):
            decode(altered, RGB)


def test_a_portable_arbitrary_map_is_left_out_by_name() -> None:
    assert reason_to_leave_out("a.pam", b"P7\nWIDTH 1\n") == "an unsupported format: PAM"
