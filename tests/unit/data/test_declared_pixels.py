"""What a file declares about its pixels is used: depth, photometric kind, alpha, profile, gamma and primaries."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tests.unit.data.tiff_writer import tiff
from wgan.data.images import Shape, decode, measure
from wgan.data.picture import ANIMATION, NO_PROFILE, NO_RANGE, BadImage
from wgan.data.sample_range import Extent, SampleRange, range_of, scale_of

SIDE = 32
GREY, RGB = Shape(SIDE, 1), Shape(SIDE, 3)
RAMP = np.linspace(0, 1, SIDE * SIDE).reshape(SIDE, SIDE, 1)
COLOURS = np.stack([RAMP[..., 0], RAMP[::-1, ..., 0], RAMP[:, ::-1, 0]], axis=2)


def as_samples(shares: NDArray[np.float64], bits: int) -> NDArray[np.generic]:
    kind = next(size for size in (1, 2, 4, 8) if 8 * size >= bits)
    return np.rint(shares * (2.0**bits - 1)).astype(f"u{kind}")


def grey(content: bytes) -> NDArray[np.float64]:
    return decode(content, GREY).pixels[0].astype(np.float64)


def rgb(content: bytes) -> NDArray[np.float64]:
    return decode(content, RGB).pixels.transpose(1, 2, 0).astype(np.float64)


@pytest.mark.parametrize("bits", [*range(1, 17), 32])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_depth_of_integers_reaches_from_black_to_white(bits: int, order: str) -> None:
    samples = as_samples(RAMP, bits)
    expected = samples[..., 0] / (2.0**bits - 1) * 255
    assert np.abs(grey(tiff(samples, bits, 1, order=order)) - expected).max() <= 0.5
    assert np.abs(grey(tiff(samples, bits, 0, order=order)) - (255 - expected)).max() <= 1


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
def test_colours_of_any_depth_and_arrangement_are_read(bits: int, planar: bool, deflate: bool) -> None:
    content = tiff(as_samples(COLOURS, bits), bits, 2, planar=planar, deflate=deflate, rows_per_strip=7)
    assert np.abs(rgb(content) - COLOURS * 255).max() <= 1


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd"])
def test_compressed_and_uncompressed_tiffs_read_the_same(compression: str) -> None:
    for image in (
        Image.fromarray(as_samples(RAMP, 16)[..., 0]),
        Image.fromarray((COLOURS * 255).astype(np.uint8)),
    ):
        plain, packed = io.BytesIO(), io.BytesIO()
        image.save(plain, "TIFF")
        try:
            image.save(packed, "TIFF", compression=compression)
        except (OSError, ValueError) as error:
            pytest.skip(f"this libtiff does not write it: {error}")
        assert np.array_equal(decode(packed.getvalue(), RGB).pixels, decode(plain.getvalue(), RGB).pixels)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_floating_point_of_every_width_is_read(kind: str) -> None:
    content = tiff(RAMP.astype(kind), 8 * np.dtype(kind).itemsize, 1, kind=3)
    assert np.abs(grey(content) - RAMP[..., 0] * 255).max() <= 1
    assert NO_RANGE in decode(content, GREY).remarks


def test_a_declared_range_of_floats_is_used() -> None:
    content = tiff((RAMP * 40 - 10).astype(np.float32), 32, 1, kind=3, t340=(-10.0,), t341=(30.0,))
    assert np.abs(grey(content) - RAMP[..., 0] * 255).max() <= 1
    assert decode(content, GREY).remarks == ()
    assert measure(content) is None


@pytest.mark.parametrize(
    ("extent", "expected"),
    [
        (Extent(0, 0.3), SampleRange(0, 1)),
        (Extent(0, 1.05), SampleRange(0, 1)),
        (Extent(-1, 1), SampleRange(-1, 1)),
        (Extent(-0.01, 1), SampleRange(0, 1)),
        (Extent(0, 254.0), SampleRange(0, 255)),
        (Extent(0, 260.0), SampleRange(0, 255)),
        (Extent(0, 3900.0), SampleRange(0, 4095)),
        (Extent(0, 65535.0), SampleRange(0, 65535)),
        (Extent(0, 1e6), SampleRange(0, 1e6)),
        (Extent(0, 100, 16), SampleRange(0, 32767)),
        (Extent(-3000, 3000, 16), SampleRange(-32767, 32767)),
        (Extent(0, 40_000, 32), SampleRange(0, 65535)),
        (Extent(0, 2e9, 32), SampleRange(0, 2**31 - 1)),
    ],
)
def test_the_rule_for_samples_without_a_declared_range(extent: Extent, expected: SampleRange) -> None:
    assert range_of(extent) == expected


def test_one_range_applies_to_the_whole_data_set() -> None:
    dark = tiff((RAMP * 50).astype(np.float32), 32, 1, kind=3)
    bright = tiff((RAMP * 250).astype(np.float32), 32, 1, kind=3)
    extents = [extent for content in (dark, bright) if (extent := measure(content))]
    scale = scale_of([{extent.integer_bits: extent} for extent in extents])
    assert scale == {0: SampleRange(0, 255)}
    assert np.abs(decode(dark, GREY, scale).pixels[0] - RAMP[..., 0] * 50).max() <= 1
    with pytest.raises(BadImage, match="not measured"):
        decode(dark, GREY, {})


def test_integer_files_and_damaged_ones_are_not_measured() -> None:
    assert measure(tiff(as_samples(RAMP, 16), 16, 1)) is None
    assert measure(b"II*\0broken") is None


def test_a_palette_of_any_depth_is_looked_up() -> None:
    table = np.random.default_rng(0).integers(0, 256, (16, 3))
    indices = np.random.default_rng(1).integers(0, 16, (SIDE, SIDE, 1)).astype(np.uint8)
    content = tiff(indices, 4, 3, t320=tuple(int(value) for value in (table * 257).T.ravel()))
    assert np.array_equal(rgb(content), table[indices[..., 0]])


def test_alpha_is_composited_as_declared() -> None:
    alpha = np.full((SIDE, SIDE, 1), 0.5)
    straight = as_samples(np.concatenate([COLOURS, alpha], axis=2), 8)
    multiplied = as_samples(np.concatenate([COLOURS * alpha, alpha], axis=2), 8)
    expected = (COLOURS * 0.5 + 0.5) * 255
    assert np.abs(rgb(tiff(straight, 8, 2, t338=(2,))) - expected).max() <= 2
    assert np.abs(rgb(tiff(multiplied, 8, 2, t338=(1,))) - expected).max() <= 2
    assert np.abs(rgb(tiff(straight, 8, 2, t338=(0,))) - COLOURS * 255).max() <= 1


def test_grey_with_alpha_of_sixteen_bits_is_composited() -> None:
    content = tiff(as_samples(np.concatenate([RAMP, RAMP], axis=2), 16), 16, 1, t338=(2,))
    assert np.abs(grey(content) - (RAMP * RAMP + 1 - RAMP)[..., 0] * 255).max() <= 2


def test_cmyk_and_lab_are_converted() -> None:
    no_ink, red = np.zeros((SIDE, SIDE, 4), np.uint8), np.full((SIDE, SIDE, 4), 255, np.uint8) * np.uint8(1)
    red[..., [0, 3]] = 0
    assert (rgb(tiff(no_ink, 8, 5)) == 255).all()
    assert (rgb(tiff(red, 8, 5)) == [255, 0, 0]).all()
    # sRGB red is L* 54.29, a* 80.81, b* 69.89 under D50.
    lab = np.broadcast_to(np.array([138, 81, 70], np.uint8), (SIDE, SIDE, 3))
    assert np.abs(rgb(tiff(lab, 8, 8)) - [255, 0, 0]).max() <= 4
    white = np.broadcast_to(np.array([255, 0, 0], np.uint8), (SIDE, SIDE, 3))
    assert np.abs(rgb(tiff(white, 8, 8)) - 255).max() <= 1


def test_ycbcr_with_subsampled_chroma_is_read() -> None:
    light, cb, cr = 100, 90, 200
    unit = bytes([light] * 4 + [cb, cr])
    samples = np.frombuffer(unit * (SIDE * SIDE // 4), np.uint8).reshape(SIDE, -1, 1)
    content = bytearray(tiff(samples, 8, 6, t530=(2, 2)))
    one = Image.new("YCbCr", (1, 1), (light, cb, cr)).convert("RGB").getpixel((0, 0))
    directory = struct.unpack("<I", content[4:8])[0]
    for index in range(struct.unpack("<H", content[directory : directory + 2])[0]):
        at = directory + 2 + 12 * index
        tag = struct.unpack("<H", content[at : at + 2])[0]
        if tag == 256:
            content[at + 8 : at + 12] = struct.pack("<I", SIDE)
        if tag == 277:
            content[at + 8 : at + 12] = struct.pack("<I", 3)
    assert np.abs(rgb(bytes(content)) - one).max() <= 2


def test_a_profile_is_converted_to_srgb_and_srgb_itself_changes_nothing() -> None:
    pixels = (COLOURS * 255).astype(np.uint8)
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(rgb(encoded(Image.fromarray(pixels), icc_profile=own)), pixels)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_damaged_profile_is_ignored_with_a_remark(format: str) -> None:
    content = encoded(Image.new("RGB", (SIDE, SIDE), (10, 200, 30)), format, icc_profile=b"no profile" * 20)
    found = decode(content, RGB)
    assert np.abs(found.pixels[:, 0, 0].astype(int) - [10, 200, 30]).max() <= 3
    assert found.remarks == (NO_PROFILE,)


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def with_chunk(content: bytes, kind: bytes, data: bytes) -> bytes:
    """A PNG with a further chunk after its header."""
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content[:33] + chunk + content[33:]


def test_linear_light_is_encoded_and_the_usual_gamma_is_unchanged() -> None:
    flat = encoded(Image.new("RGB", (SIDE, SIDE), (55, 55, 55)))
    linear = with_chunk(flat, b"gAMA", struct.pack(">I", 100_000))
    assert (rgb(linear) == 128).all()
    assert (rgb(with_chunk(flat, b"gAMA", struct.pack(">I", 45_455))) == 55).all()
    assert (rgb(with_chunk(linear, b"sRGB", b"\0")) == 55).all()
    assert (rgb(with_chunk(flat, b"gAMA", bytes(4))) == 55).all()
    deep = encoded(Image.fromarray(np.full((SIDE, SIDE), 257 * 55, np.uint16)))
    assert np.abs(grey(with_chunk(deep, b"gAMA", struct.pack(">I", 100_000))) - 128).max() <= 1


def test_primaries_are_converted() -> None:
    """Display P3's red lies outside of sRGB; its white is the same."""
    chroma = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    for colour, expected in [((255, 255, 255), (255, 255, 255)), ((200, 100, 50), (215, 93, 31))]:
        flat = encoded(Image.new("RGB", (SIDE, SIDE), colour))
        for content in (with_chunk(flat, b"cHRM", chroma), with_chunk(flat, b"cICP", bytes([12, 13, 0, 1]))):
            assert np.abs(rgb(content) - expected).max() <= 2, colour


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_transparent_grey_of_a_png_is_the_declared_one(bits: int) -> None:
    key = 2**bits - 1 if bits == 1 else 2
    rows = np.full((SIDE, SIDE), key, np.uint8)
    rows[:, SIDE // 2 :] = 0
    single = (rows[..., np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
    lines = np.packbits(single.reshape(SIDE, -1).astype(np.uint8), axis=1)
    raw = b"".join(b"\0" + line.tobytes() for line in lines)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in [
        (b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, bits, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", key)),
        (b"IDAT", zlib.compress(raw)),
        (b"IEND", b""),
    ]:
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    found = grey(content)
    assert (found[:, : SIDE // 2] == 255).all()
    assert (found[:, SIDE // 2 :] == 0).all()


def test_a_png_with_a_wrong_checksum_is_refused() -> None:
    content = bytearray(encoded(Image.fromarray((COLOURS * 255).astype(np.uint8))))
    content[content.index(b"IDAT") + 20] ^= 1
    with pytest.raises(BadImage, match="checksum of its chunk 'IDAT' is wrong"):
        decode(bytes(content), RGB)


def test_an_animation_gets_a_remark() -> None:
    frames = [Image.new("L", (SIDE, SIDE), value) for value in (0, 255)]
    for format in ("GIF", "PNG", "WEBP", "TIFF"):
        content = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert ANIMATION in decode(content, GREY).remarks, format


def test_orientation_of_a_tiff_is_applied() -> None:
    samples = np.zeros((SIDE, SIDE, 1), np.uint8)
    samples[:, : SIDE // 2] = 255
    shown = grey(tiff(samples, 8, 1, t274=(6,)))
    assert (shown[: SIDE // 2] == 255).all()
    assert (shown[SIDE // 2 :] == 0).all()


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
FILES = {
    "png": encoded(NOISE),
    "jpeg": encoded(NOISE, "JPEG"),
    "gif": encoded(NOISE.convert("P"), "GIF"),
    "bmp": encoded(NOISE, "BMP"),
    "webp": encoded(NOISE, "WEBP", lossless=True),
    "ppm": encoded(NOISE, "PPM"),
    "jp2": encoded(NOISE, "JPEG2000"),
    "tiff": encoded(NOISE, "TIFF"),
    "lzw": encoded(NOISE, "TIFF", compression="tiff_lzw"),
    "deflate": tiff(as_samples(COLOURS, 16), 16, 2, deflate=True, rows_per_strip=5),
    "twelve": tiff(as_samples(RAMP, 12), 12, 1),
}


@given(kind=st.sampled_from(sorted(FILES)), share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=150, deadline=None)
def test_an_image_cut_anywhere_is_refused_or_complete(kind: str, share: float) -> None:
    content = FILES[kind]
    try:
        found = decode(content[: int(share * len(content))], RGB).pixels
    except BadImage:
        return
    assert np.array_equal(found, decode(content, RGB).pixels)


@given(kind=st.sampled_from(sorted(FILES)), share=st.floats(0, 1, exclude_max=True), noise=st.binary(max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_damage_gives_a_reason(kind: str, share: float, noise: bytes) -> None:
    content, at = FILES[kind], int(share * len(FILES[kind]))
    try:
        decode(content[:at] + noise + content[at + len(noise) :], RGB)
    except BadImage as error:
        lines = str(error).splitlines()
        assert len(lines) == 1, lines


CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "images"


@pytest.mark.parametrize("name", ["a-12bit.tif", "b-f32-max1.05.tif", "g-premult.tif", "g-u16-miniswhite.tif", "p3.png",
                                  "adobe-like.jpg"])  # fmt: skip
def test_the_recorded_cases_have_the_right_values(name: str) -> None:
    if not CASES.is_dir():
        pytest.skip("../shared/cases is not there")
    expected = np.asarray(Image.open(CASES / f"{name}.expected.png").convert("RGB")).astype(float)
    found = decode(CASES / name, Shape(64, 3)).pixels.transpose(1, 2, 0)
    assert np.abs(found - expected).mean() < 1
