"""HEIC and JPEG XL are read where Pillow's plugin for them is installed, and left out by its name where it is not."""

from __future__ import annotations

import importlib.util
import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wgan.data import plugin_formats
from wgan.data.file_kinds import reason_to_leave_out
from wgan.data.images import MAX_PIXELS, Shape, decode
from wgan.data.jpegxl import jpegxl_size
from wgan.data.picture import BadImage
from wgan.data.sources.folder import list_images
from wgan.errors import DataError

SIDE = 32
RGB = Shape(SIDE, 3)
COLOURS = np.zeros((SIDE, SIDE, 3), np.uint8)
COLOURS[: SIDE // 2] = [200, 40, 60]
COLOURS[:, : SIDE // 2, 2] = 180
HEIC_START, JXL_START = b"\0\0\0\x18ftypheic" + bytes(40), b"\xff\x0a" + bytes(40)
FORMATS = [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")]


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found = importlib.util.find_spec
    modules = {plugin.module for plugin in plugin_formats.PLUGINS.values()}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in modules else found(name))
    plugin_formats.plugin_formats.cache_clear()
    yield
    plugin_formats.plugin_formats.cache_clear()


def encoded(format: str, module: str, image: Image.Image, **options: object) -> bytes:
    pytest.importorskip(module)
    plugin_formats.register_plugins()
    saved = io.BytesIO()
    image.save(saved, format, quality=95, **options)
    return saved.getvalue()


@pytest.mark.parametrize(("format", "module"), FORMATS)
def test_an_image_is_read_by_the_plugin(format: str, module: str) -> None:
    shown = decode(encoded(format, module, Image.fromarray(COLOURS)), RGB).pixels.transpose(1, 2, 0)
    assert np.abs(shown.astype(int) - COLOURS).mean() < 3


@pytest.mark.parametrize(("format", "module"), FORMATS)
def test_alpha_is_composited_on_white(format: str, module: str) -> None:
    alpha = np.where(np.arange(SIDE) < SIDE // 2, 255, 0) * np.ones((SIDE, 1), int)
    image = Image.fromarray(np.concatenate([COLOURS, alpha[..., np.newaxis]], axis=2).astype(np.uint8))
    shown = decode(encoded(format, module, image), RGB).pixels.transpose(1, 2, 0)
    assert np.abs(shown[:, :14].astype(int) - COLOURS[:, :14]).mean() < 4
    assert (shown[:, 18:] > 250).all()


def test_heic_is_turned_upright_once_and_jpeg_xl_ignores_the_orientation_of_exif() -> None:
    exif = Image.Exif()
    exif[274] = 6
    turned = Image.fromarray(COLOURS).transpose(Image.Transpose.ROTATE_90)
    heic = encoded("HEIF", "pillow_heif", turned, exif=exif.tobytes())
    jxl = encoded("JXL", "pillow_jxl", Image.fromarray(COLOURS), exif=exif.tobytes())  # ISO/IEC 18181-2: its own counts
    for content in (heic, jxl):
        assert np.abs(decode(content, RGB).pixels.transpose(1, 2, 0).astype(int) - COLOURS).mean() < 3


@pytest.mark.parametrize(("format", "module"), FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_file_is_refused(format: str, module: str, share: float) -> None:
    content = encoded(format, module, Image.fromarray(COLOURS))
    with pytest.raises(BadImage) as raised:
        decode(content[: int(share * len(content))], RGB)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (7, 300), (1920, 1080), (640, 480), (9000, 3), (200, 160)])
@pytest.mark.parametrize("container", [False, True])
def test_the_size_of_a_jpeg_xl_file_is_read_from_its_header(size: tuple[int, int], container: bool) -> None:
    content = encoded("JXL", "pillow_jxl", Image.new("RGB", size), use_container=container)
    assert jpegxl_size(content) == size


def test_a_huge_jpeg_xl_file_is_refused_before_it_is_decoded() -> None:
    pytest.importorskip("pillow_jxl")
    large = 2**30 - 1
    bits = 0b110 | large << 3  # not a multiple of 8, 30 bits of height
    bits |= 0b11 << 36 | large << 38  # no ratio, 30 bits of width
    content = b"\xff\x0a" + bits.to_bytes(16, "little")
    assert jpegxl_size(content) == (large + 1, large + 1)
    with pytest.raises(BadImage, match=f"more than {MAX_PIXELS:,} pixels"):
        decode(content, RGB)


@pytest.mark.usefixtures("without_plugins")
def test_without_the_plugin_its_package_is_named(tmp_path: Path) -> None:
    assert reason_to_leave_out("a.heic", HEIC_START) == "an unsupported format: HEIC (install pillow-heif)"
    assert reason_to_leave_out("a.jxl", JXL_START) == "an unsupported format: JPEG XL (install pillow-jxl-plugin)"
    with pytest.raises(BadImage, match=r"^an unsupported format: HEIC \(install pillow-heif\)$"):
        decode(HEIC_START, RGB)
    for number in range(3):
        (tmp_path / f"{number}.heic").write_bytes(HEIC_START)
    with pytest.raises(DataError, match=r"there are no image files in .* \(left out: 3 × .*install pillow-heif\)\)\."):
        list_images(tmp_path)


def test_plugins_are_part_of_an_archives_digest_and_their_absence_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for formats, facts in [((), {}), (("JPEG XL", "HEIC"), {"plugins": ["HEIC", "JPEG XL"]})]:
        monkeypatch.setattr(plugin_formats, "plugin_formats", lambda formats=formats: frozenset(formats))
        assert plugin_formats.plugin_facts() == facts


def test_avif_that_this_build_of_pillow_does_not_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wgan.data.images._formats", lambda: frozenset({"PNG"}))
    content = struct.pack(">I", 24) + b"ftypavif" + bytes(40)
    with pytest.raises(BadImage, match="AVIF, which this build of Pillow does not read"):
        decode(content, RGB)
