"""From an encoded file to the pixels a network sees: decode, orient, crop, resize, convert.

This module shapes the pixels: when a change here changes any of them, raise `FORMAT_VERSION`, so that every data set
gets a new digest. It imports nothing heavy, because every decoding process imports it.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMAT_VERSION = 2
DECODER = f"Pillow {PIL.__version__}"
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""Pixel formats only: others run interpreters (EPS) or have no mark to be told by (TGA)."""
MAX_PIXELS = 89_478_485
"""Pillow's own limit against decompression bombs: a quarter of a gigabyte of RGB."""
MAX_FILE_BYTES = 256 * 2**20
RESIZE_FILTER = Image.Resampling.BICUBIC
"""Pillow widens its support by the reduction factor, which makes it antialiased (Parmar, Zhang and Zhu, "On Aliased
Resizing and Surprising Subtleties in GAN Evaluation", CVPR 2022); it rings less than Lanczos at the hard edges of
digits and drawings."""


class BadImage(Exception):
    """The file cannot be an image of the data set; the message is the reason the manifest lists."""


@dataclass(frozen=True)
class Shape:
    """What every image of a data set looks like."""

    image_size: int
    channels: int


def decode(content: Path | bytes, shape: Shape) -> NDArray[np.uint8]:
    """One encoded image (one of `FORMATS`, told by its content; of an animation the first frame) as (C, H, W), uint8.

    Raises `BadImage` with the reason when it does not decode whole or is too large.
    """
    try:
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        if size > MAX_FILE_BYTES:
            raise BadImage(f"{size:,} bytes, more than {MAX_FILE_BYTES:,}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is raised below or by the decoder
            with Image.open(content if isinstance(content, Path) else io.BytesIO(content), formats=_formats()) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise BadImage(f"{image.width}×{image.height} pixels, more than {MAX_PIXELS:,}")
                image.load()
                return shaped(ImageOps.exif_transpose(image), shape)
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage("not an image" if size else "an empty file") from None
    except Image.DecompressionBombError:
        raise BadImage(f"more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise BadImage("not enough memory to decode it") from None
    except Exception as error:  # Pillow's decoders raise whatever a damaged file drives them into
        raise BadImage(" ".join(f"{type(error).__name__}: {error}".split())[:200]) from None


def shaped(image: Image.Image, shape: Shape) -> NDArray[np.uint8]:
    """Centre crop to a square, antialiased resize, grey or RGB: (C, H, W), uint8. Raises `BadImage`.

    Transparent pixels are composited on white before the resize; 16-bit values are scaled to 8, not clipped.
    """
    image = _eight_bits(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    image = image.convert("L" if shape.channels == 1 else "RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    size = (shape.image_size, shape.image_size)
    pixels = np.asarray(image if image.size == size else image.resize(size, RESIZE_FILTER), dtype=np.uint8)
    return pixels[np.newaxis] if shape.channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


@cache
def _formats() -> tuple[str, ...]:
    """The `FORMATS` that this build of Pillow has."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey images of more than 8 bits as "L"; all other modes as they are."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise BadImage("pixel values that are not finite")
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I"):
        if low < 0 or high > 65535:
            raise BadImage(f"integer pixel values from {low:.0f} to {high:.0f}: only 0 … 65535 has a known white")
        scale = 1 / 257
    else:
        if low < 0 or high > 255:
            raise BadImage(f"floating-point pixel values from {low:g} to {high:g}: only 0 … 1 and 0 … 255 are known")
        scale = 255.0 if high <= 1 else 1.0
    scaled = np.multiply(values, scale, dtype=np.float32, casting="unsafe")
    return Image.fromarray(np.rint(scaled, out=scaled).astype(np.uint8))
