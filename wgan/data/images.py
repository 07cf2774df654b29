"""Turns an encoded file into a network's pixels: decode, correct colours, orient, crop, resize, convert.

This module and those it uses determine the pixels: if a change affects any pixel, increase `FORMAT_VERSION`, so that
every data set gets a new digest. They import nothing heavy, because every decoding process imports them.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wgan.data.colour import Correction
from wgan.data.file_kinds import FIRST_BYTES, READ_FORMATS, format_of, is_read, open_regular, what_it_is_instead
from wgan.data.jpeg2000 import require_decodable
from wgan.data.jpegxl import jpegxl_size
from wgan.data.pfm import FIRST_BYTES as PFM
from wgan.data.pfm import read_pfm
from wgan.data.picture import ANIMATION, NO_ALPHA, NO_PROFILE, NO_RANGE, BadImage, Picture, on_white
from wgan.data.plugin_formats import PLUGINS, register_plugins, unsupported
from wgan.data.png import PngFacts, read_facts
from wgan.data.sample_range import Extent, Scale, extent_of, range_in
from wgan.data.tiff import extent_of_tiff, read_tiff, unread_compression

FORMAT_VERSION = 3
DECODER = f"Pillow {PIL.__version__}"
MAX_PIXELS = 89_478_485
"""Pillow's own limit against decompression bombs: a quarter of a gigabyte of RGB."""
MAX_FILE_BYTES = 256 * 2**20
RESIZE_FILTER = Image.Resampling.BICUBIC
"""Pillow widens its support by the reduction factor, which makes it antialiased (Parmar, Zhang and Zhu, "On Aliased
Resizing and Surprising Subtleties in GAN Evaluation", CVPR 2022); it rings less than Lanczos at the hard edges of
digits and drawings."""
EXIF_ORIENTATION = 274


@dataclass(frozen=True)
class Shape:
    """The shape of every image of a data set."""

    image_size: int
    channels: int
    crop: Literal["centre", "resize", "pad"] = "centre"
    """How an image that is not square becomes it."""


@dataclass(frozen=True)
class DecodedImage:
    """One image of a data set."""

    pixels: NDArray[np.uint8]
    """(C, H, W)"""
    remarks: tuple[str, ...]
    """Remarks on how it was read."""
    format: str
    """As Pillow names it."""
    size: tuple[int, int]
    """Width and height of the upright picture before it was shaped."""
    cropped: float
    """Share of the picture's area that was cropped away, in [0, 1)."""


def decode(content: Path | bytes, shape: Shape, scale: Scale | None = None) -> DecodedImage:
    """Decode one image (one of `READ_FORMATS`, recognised by its content; the first frame of an animation).

    `scale` gives the range of samples that declare none; without it, the file's own extent is used. Raises `BadImage`
    with the reason if the file does not decode completely or is too large.
    """
    with _any_failure_is_the_file():
        data = _read(content)
        image, remarks = on_white(_picture(data, scale))
        width, height = image.size
        return DecodedImage(
            _shaped(image, shape),
            remarks,
            format=format_of(data[:FIRST_BYTES]) or "",
            size=(width, height),
            cropped=1 - min(width, height) / max(width, height) if shape.crop == "centre" else 0.0,
        )


def read_content(content: Path | bytes) -> bytes:
    """The bytes of a file. Raises `BadImage` if it is empty, too large or not readable."""
    with _any_failure_is_the_file():
        return _read(content)


def measure(content: Path | bytes) -> Extent | None:
    """The extent of the samples of a file without a declared range; None if it declares one or is damaged."""
    try:
        with _any_failure_is_the_file():
            data = _read(content)
            kind = format_of(data[:FIRST_BYTES])
            if kind == "TIFF":
                return extent_of_tiff(data, MAX_PIXELS)
            if data.startswith(PFM):
                return extent_of(read_pfm(data, MAX_PIXELS))
    except BadImage:
        pass  # decoding it will report the reason
    return None


def shaped(pixels: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    """Decoded pixels, (H, W) or (H, W, 3), as (C, H, W): made square, resized with antialiasing, grey or RGB."""
    return _shaped(Image.fromarray(pixels), shape)


def _shaped(image: Image.Image, shape: Shape) -> NDArray[np.uint8]:
    image = image.convert("L" if shape.channels == 1 else "RGB")
    pixels = np.asarray(_squared(image, shape), dtype=np.uint8)
    return pixels[np.newaxis] if shape.channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _squared(image: Image.Image, shape: Shape) -> Image.Image:
    side = shape.image_size
    if shape.crop == "pad":
        scale = side / max(image.size)
        image = _resized(image, (max(1, round(image.width * scale)), max(1, round(image.height * scale))))
        square = Image.new(image.mode, (side, side), "white")
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return square
    if shape.crop == "centre":
        shorter = min(image.size)
        left, top = (image.width - shorter) // 2, (image.height - shorter) // 2
        image = image.crop((left, top, left + shorter, top + shorter))
    return _resized(image, (side, side))


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, RESIZE_FILTER)


@contextmanager
def _any_failure_is_the_file() -> Iterator[None]:
    """Turn any failure of a decoder into a `BadImage`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # relevant ones are raised below or by the decoder
            yield
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage("not an image") from None
    except Image.DecompressionBombError:
        raise BadImage(f"more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise BadImage("not enough memory to decode it") from None
    except Exception as error:  # a damaged file can raise anything in Pillow's decoders
        if isinstance(error, OSError) and error.filename and error.strerror:
            raise BadImage(f"not readable: {error.strerror}") from None
        raise BadImage(" ".join(f"{type(error).__name__}: {error}".split())[:200]) from None


def _read(content: Path | bytes) -> bytes:
    if isinstance(content, Path):
        with open_regular(content) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise BadImage(f"more than {MAX_FILE_BYTES:,} bytes")
    if not content:
        raise BadImage("an empty file")
    return content


def _picture(data: bytes, scale: Scale | None) -> Picture:
    kind = format_of(data[:FIRST_BYTES])
    if kind is None or not is_read(kind):
        instead = what_it_is_instead(data[:FIRST_BYTES])
        raise BadImage(unsupported(kind) if kind else f"not an image{f' but {instead}' if instead else ''}")
    if kind == "TIFF" and (picture := read_tiff(data, scale, MAX_PIXELS)):
        return picture
    if data.startswith(PFM):
        return _from_floats(read_pfm(data, MAX_PIXELS), scale)
    if kind == "JPEG XL" and math.prod(jpegxl_size(data)) > MAX_PIXELS:
        raise BadImage(f"more than {MAX_PIXELS:,} pixels")
    with _opened(data, kind) as image:
        if image.width * image.height > MAX_PIXELS:
            raise BadImage(f"{image.width}×{image.height} pixels, more than {MAX_PIXELS:,}")
        facts = read_facts(data) if kind == "PNG" else None
        if kind == "JPEG2000":
            require_decodable(data)
        image.load()
        return _declared(image, facts)


def _opened(data: bytes, kind: str) -> Image.Image:
    name = PLUGINS[kind].pillow_name if kind in PLUGINS else kind
    if name not in _formats():
        raise BadImage(f"{kind}, which this build of Pillow does not read")
    try:
        return Image.open(io.BytesIO(data), formats=[name, *({"MPO"} & _formats())])
    except RuntimeError:
        raise BadImage("it is damaged or truncated") from None
    except UnidentifiedImageError:
        raise BadImage(unread_compression(data) if kind == "TIFF" else "not an image") from None


def _from_floats(samples: NDArray[np.float32], scale: Scale | None) -> Picture:
    shares = range_in(scale, extent_of(samples)).shares(samples)
    return Picture(Image.fromarray(np.rint(shares * 255).astype(np.uint8)), remarks=(NO_RANGE,))


@cache
def _formats() -> frozenset[str]:
    """The readable formats that this build of Pillow supports."""
    Image.init()
    register_plugins()
    names = (*READ_FORMATS, "MPO", *(plugin.pillow_name for plugin in PLUGINS.values()))
    return frozenset(name for name in names if name in Image.OPEN)


def _declared(image: Image.Image, facts: PngFacts | None) -> Picture:
    """What Pillow decoded, with everything the file declares about it."""
    remarks = [ANIMATION] if getattr(image, "n_frames", 1) > 1 and image.format != "MPO" else []
    profile = image.info.get("icc_profile") or None
    if facts and facts.profile and not profile:
        remarks.append(NO_PROFILE)
    correction = facts.correction if facts and not profile else None
    colours, alpha, correction = _colours(image, facts, correction)
    if alpha and image.format in ("BMP", "DIB") and alpha.getextrema() == (0, 0):  # its writer left alpha unset
        alpha = None
        remarks.append(NO_ALPHA)
    return Picture(
        colours,
        alpha=alpha,
        profile=profile if isinstance(profile, bytes) else None,
        correction=correction,
        orientation=_orientation(image),
        remarks=tuple(remarks),
    )


def _colours(
    image: Image.Image, facts: PngFacts | None, correction: Correction | None
) -> tuple[Image.Image, Image.Image | None, Correction | None]:
    """8-bit colours, alpha, and the correction still to be applied."""
    if image.mode.startswith("I"):
        shares, alpha = _shares(image), None
        if facts and facts.transparent and len(facts.transparent) >= 2:
            alpha = _keyed(np.asarray(image) == struct.unpack(">H", facts.transparent[:2])[0])
        if correction:  # before rounding: 8 bits of linear light resolve shadows poorly
            shares = correction.encoded(shares)
        return Image.fromarray(np.rint(shares * 255).astype(np.uint8)), alpha, None
    if facts and (key := _key_of(image, facts)) is not None:
        pixels = np.asarray(image).reshape(image.height, image.width, -1)
        return image, _keyed((pixels == key).all(axis=2)), correction
    if image.mode == "F":
        if image.format != "JXL":  # which declares that white is 1
            raise BadImage("floating-point samples of this compression are not read")
        image = Image.fromarray(np.rint(np.clip(np.asarray(image), 0, 1) * 255).astype(np.uint8))
    if image.mode == "LA":
        return image.getchannel("L"), image.getchannel("A"), correction
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return layer.convert("RGB"), layer.getchannel("A"), correction
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image, None, correction


def _orientation(image: Image.Image) -> int:
    if image.format == "JXL" and not getattr(image, "jpeg", False):  # its own orientation counts, and is applied
        return 1
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block must not lose the image
        return 1
    return value if isinstance(value, int) else 1


def _shares(image: Image.Image) -> NDArray[np.float32]:
    """Grey of more than 8 bits, which Pillow scales to 16, as 0…1."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise BadImage("integer pixel values beyond 16 bits")
    return (values.astype(np.float32) / 65535).astype(np.float32)


def _key_of(image: Image.Image, facts: PngFacts) -> NDArray[np.uint8] | None:
    """The transparent colour of a PNG, as Pillow decodes it; None where Pillow handles it."""
    count = {0: 1, 2: 3}.get(facts.colour_type)
    if count is None or image.mode not in ("L", "RGB") or not facts.transparent or len(facts.transparent) < 2 * count:
        return None
    values = struct.unpack(f">{count}H", facts.transparent[: 2 * count])
    if facts.depth == 16:
        return np.array([value >> 8 for value in values], dtype=np.uint8)
    return np.array([value * 255 // (2**facts.depth - 1) & 255 for value in values], dtype=np.uint8)


def _keyed(transparent: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray(np.where(transparent, 0, 255).astype(np.uint8))
