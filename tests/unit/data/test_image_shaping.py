"""From files of every kind to the same kind of pixels; the expected values are closed forms."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wgan.config import Crop
from wgan.data.images import MAX_PIXELS, Shape
from wgan.data.images import decode as decode_image
from wgan.data.picture import BadImage

GREY = Shape(32, 1)
RGB = Shape(32, 3)


def decode(content: Path | bytes, shape: Shape) -> NDArray[np.uint8]:
    return decode_image(content, shape).pixels


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def flat_colour(content: bytes, shape: Shape = RGB) -> tuple[int, ...]:
    """The colour of a single-coloured image."""
    pixels = decode(content, shape)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (shape.channels, shape.image_size, shape.image_size)
    colours = pixels.reshape(shape.channels, -1)
    assert (colours.max(axis=1) == colours.min(axis=1)).all()
    return tuple(int(value) for value in colours[:, 0])


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("RGB", (40, 40), (10, 20, 30)), (10, 20, 30)),
        (Image.new("L", (40, 40), 77), (77, 77, 77)),
        (Image.new("1", (40, 40), 1), (255, 255, 255)),
        (Image.new("LA", (40, 40), (0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (40, 40), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (40, 40), (255, 0, 0, 255)), (255, 0, 0)),
        (Image.new("RGBA", (40, 40), (255, 0, 0, 128)), (255, 127, 127)),
    ],
    ids=["rgb", "grey", "one-bit", "clear-grey", "clear", "opaque", "half-clear"],
)
def test_alpha_is_composited_on_white_and_grey_fills_three_channels(
    image: Image.Image, colour: tuple[int, ...]
) -> None:
    assert flat_colour(encoded(image)) == colour


def test_colour_becomes_grey_by_the_weights_of_itu_601() -> None:
    assert flat_colour(encoded(Image.new("RGB", (8, 8), (0, 255, 0))), GREY) == (round(0.587 * 255),)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257 * 100, 100), (65535, 255), (300, 1)])
def test_sixteen_bit_values_are_scaled_not_clipped(value: int, expected: int) -> None:
    image = Image.fromarray(np.full((40, 40), value, dtype=np.uint16))
    assert flat_colour(encoded(image), GREY) == (expected,)
    assert flat_colour(encoded(image, "TIFF"), GREY) == (expected,)


def test_thirty_two_bit_integers_in_the_sixteen_bit_range_are_scaled_like_them() -> None:
    image = Image.fromarray(np.full((40, 40), 257 * 40, dtype=np.int32))
    assert flat_colour(encoded(image, "TIFF"), GREY) == (40,)


@pytest.mark.parametrize(("value", "expected"), [(0.2, 51), (1.0, 255), (200.0, 200)])
def test_floating_point_values_are_read_as_shares_or_as_bytes(value: float, expected: int) -> None:
    image = Image.fromarray(np.full((40, 40), value, dtype=np.float32))
    assert flat_colour(encoded(image, "TIFF"), GREY) == (expected,)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floating_point_values_that_are_not_finite_are_refused(value: float) -> None:
    image = Image.fromarray(np.full((40, 40), value, dtype=np.float32))
    with pytest.raises(BadImage, match="pixel values"):
        decode(encoded(image, "TIFF"), GREY)


def test_a_palette_gives_its_colours_and_its_transparent_entry_white() -> None:
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 0, 12, 200, 40])
    assert flat_colour(encoded(image)) == (12, 200, 40)
    assert flat_colour(encoded(image, transparency=1)) == (255, 255, 255)


def test_cmyk_is_read_as_ink() -> None:
    nothing = Image.new("CMYK", (40, 40), (0, 0, 0, 0))
    magenta_and_yellow = Image.new("CMYK", (40, 40), (0, 255, 255, 0))
    assert flat_colour(encoded(nothing, "TIFF")) == (255, 255, 255)
    assert flat_colour(encoded(magenta_and_yellow, "TIFF")) == (255, 0, 0)


def test_exif_orientation_is_applied() -> None:
    """Orientation 6: the stored left column is the visual top (EXIF 2.3, tag 274)."""
    pixels = np.zeros((64, 64), dtype=np.uint8)
    pixels[:, :32] = 255
    exif = Image.Exif()
    exif[274] = 6
    shown = decode(encoded(Image.fromarray(pixels), exif=exif), GREY)[0]
    assert shown[:12].min() > 200
    assert shown[-12:].max() < 55


def test_the_centre_square_is_kept() -> None:
    pixels = np.zeros((100, 300, 3), dtype=np.uint8)
    pixels[:, 100:200] = (0, 255, 0)
    assert flat_colour(encoded(Image.fromarray(pixels))) == (0, 255, 0)
    assert flat_colour(encoded(Image.fromarray(pixels.transpose(1, 0, 2)))) == (0, 255, 0)


def test_the_whole_image_can_be_stretched_or_padded_with_white() -> None:
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[:, 40:] = (200, 0, 0)
    image = encoded(Image.fromarray(pixels))
    stretched = decode_image(image, Shape(32, 3, "resize")).pixels
    assert (stretched[0, :, 18:] == 200).all()
    assert (stretched[:, :, :14] == 0).all()
    padded = decode_image(image, Shape(32, 3, "pad")).pixels
    assert (padded[:, :8] == 255).all()
    assert (padded[:, 24:] == 255).all()
    assert np.array_equal(padded[:, 8:24, 18:], stretched[:, 8:24, 18:])
    thin = encoded(Image.new("L", (1, 3000), 7))
    assert decode_image(thin, Shape(32, 1, "pad")).pixels[0, 16].tolist() == [255] * 15 + [7] + [255] * 16


@pytest.mark.parametrize("crop", ["centre", "resize", "pad"])
def test_a_square_image_is_the_same_for_every_crop(crop: Crop) -> None:
    image = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50), dtype=np.uint8)))
    assert np.array_equal(decode_image(image, Shape(32, 1, crop)).pixels, decode(image, GREY))


def test_the_resize_is_antialiased() -> None:
    """A checkerboard finer than the result is its mean everywhere; without antialiasing it would be 0 and 255."""
    board = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = decode(encoded(Image.fromarray(board)), GREY)
    assert np.abs(small.astype(float) - 127.5).max() <= 2


def test_an_image_of_the_right_size_is_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(decode(encoded(Image.fromarray(pixels)), RGB), pixels.transpose(2, 0, 1))


def test_the_first_frame_of_an_animation_is_used() -> None:
    frames = [Image.new("L", (32, 32), value) for value in (0, 255)]
    assert flat_colour(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), GREY) == (0,)


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and has almost no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b"\0"))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("side", [int(MAX_PIXELS**0.5) + 1, 100_000])
def test_a_huge_image_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(BadImage, match=f"{MAX_PIXELS:,}"):
        decode(png_header(side, side), GREY)


def test_a_truncated_file_is_refused() -> None:
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)), "JPEG")
    with pytest.raises(BadImage, match="truncated"):
        decode(whole[: len(whole) // 2], RGB)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not an image"),
        (bytes(99), "not an image but nothing but zeros"),
        (b"<html>404", "not an image but a web page or XML"),
        (b"version https://git-lfs.github.com/spec/v1", "not an image but a Git LFS pointer"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "an unsupported format: PostScript"),
    ],
)
def test_a_file_that_is_not_a_picture_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        decode(content, RGB)


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="No such file"):
        decode(tmp_path / "gone.png", RGB)
