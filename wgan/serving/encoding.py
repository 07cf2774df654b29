"""Encodes images as PNG, JPEG, WebP; as a grid, a ZIP or base64; raw npy; animations. The bytes are reproducible."""

from __future__ import annotations

import base64
import io
import json
import math
import zipfile
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wgan.errors import UsageError, WganError
from wgan.pixels import image_grid

Picture = Literal["png", "jpeg", "webp"]
Format = Literal["png", "jpeg", "webp", "gif"]
Layout = Literal["grid", "zip", "base64"]
MEDIA_TYPES: dict[Picture, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
NPY, ZIP, JSON = "application/x-npy", "application/zip", "application/json"
QUALITY = 90
"""Quality of JPEG and WebP, 0 to 100."""
LARGEST_SIDE = {"png": 2**15, "jpeg": 65_500, "webp": 16_383}
"""Maximum side in pixels that the formats, and for PNG most viewers, support."""
WEIGHTS: dict[Format, float] = {"png": 1.0, "jpeg": 0.2, "webp": 3.0, "gif": 16.0}
"""Relative time per value of a still picture; PNG is 1."""
ANIMATION_WEIGHTS: dict[Format, float] = {"webp": 4.0, "gif": 16.0}
"""The same for an animation's frame; WebP is lossless."""
GAP = 2
"""Pixels between the images of a grid."""
LARGEST_SCALE = 16
"""Maximum repetitions of a pixel in each direction."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The fixed time in a ZIP, so that equal images give equal bytes."""


class TooLargePicture(WganError):
    """The picture would not fit the format."""


@dataclass(frozen=True)
class Encoding:
    """How images are returned: `npy`, an animation, or a picture format and a layout."""

    layout: Layout | Literal["npy", "animation"]
    format: Format = "png"
    frames_per_second: float = 12.0
    """Frame rate of an animation."""
    scale: int = 1
    """Repetitions of each pixel in each direction."""

    @property
    def media_type(self) -> str:
        """Content type of the answer."""
        fixed = {"npy": NPY, "zip": ZIP, "base64": JSON}
        return fixed.get(self.layout) or f"image/{self.format}"

    @property
    def weight(self) -> float:
        """Relative work per value."""
        if self.layout == "npy":
            return 0.05
        return (ANIMATION_WEIGHTS if self.layout == "animation" else WEIGHTS)[self.format]


def encode(images: NDArray[np.uint8], encoding: Encoding, facts: dict[str, Any]) -> bytes:
    """Images (N, C, H, W), uint8, C 1 or 3, as a response body. `facts` go into the JSON of `base64`.

    Each pixel is repeated `encoding.scale` times in both directions, as are the gaps of a grid. Raises
    `TooLargePicture`.
    """
    scale = encoding.scale
    if encoding.layout == "grid":
        gap = 0 if len(images) == 1 else GAP * scale
        return _encoded(image_grid(images, scale=scale, gap=gap), encoding.format)
    if scale > 1:
        images = images.repeat(scale, axis=2).repeat(scale, axis=3)
    match encoding.layout:
        case "npy":
            return npy(images)
        case "animation":
            return animation(images, encoding)
        case "zip":
            return _zip(images, encoding.format)
        case "base64":
            texts = [base64.b64encode(_encoded(picture(image), encoding.format)).decode() for image in images]
            return json.dumps({**facts, "format": encoding.format, "images": texts}).encode()


def enlarged(encoding: Encoding, scale: int) -> Encoding:
    """The encoding at that scale. Raises `UsageError` for an array, which always has the generator's own pixels."""
    if scale > 1 and encoding.layout == "npy":
        raise UsageError(f"scale: an array has the model's own pixels; leave it out, or ask for pictures, not {NPY}.")
    return replace(encoding, scale=scale)


def animation(images: NDArray[np.uint8], encoding: Encoding) -> bytes:
    """Images (N, C, H, W), uint8, as a looping animation; WebP is lossless."""
    pictures = [picture(image) for image in images]
    if encoding.format == "webp":
        first, *others = [each.convert("RGB") for each in pictures]
    else:
        first, *others = [each if each.mode == "L" else each.quantize() for each in pictures]
    options: dict[str, Any] = {"disposal": 1} if encoding.format == "gif" else {"lossless": True, "method": 0}
    out = io.BytesIO()
    duration = round(1000 / encoding.frames_per_second)
    first.save(out, encoding.format.upper(), save_all=True, append_images=others, duration=duration, loop=0, **options)
    return out.getvalue()


def npy(images: NDArray[np.uint8]) -> bytes:
    """The array in numpy's own format, version 1.0."""
    out = io.BytesIO()
    np.lib.format.write_array(out, images, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def picture(image: NDArray[np.uint8]) -> Image.Image:
    """One image (C, H, W), C 1 or 3."""
    channels_last = np.ascontiguousarray(image.transpose(1, 2, 0))
    return Image.fromarray(channels_last[:, :, 0] if len(image) == 1 else channels_last)


def check_side(count: int, side: int, encoding: Encoding) -> None:
    """Raises `TooLargePicture` if a grid of `count` square images does not fit the format."""
    if encoding.layout == "grid":
        columns = math.ceil(math.sqrt(count))
        width, height = (cells * (side + GAP) + GAP for cells in (columns, math.ceil(count / columns)))
        _check_size(width * encoding.scale, height * encoding.scale, encoding.format)


def _check_size(width: int, height: int, format: Format) -> None:
    if max(width, height) > LARGEST_SIDE.get(format, 2**15):
        raise TooLargePicture(f"a grid of {width}×{height} pixels is too large for {format}: ask for fewer.")


def _encoded(image: Image.Image, format: Format) -> bytes:
    _check_size(image.width, image.height, format)
    out = io.BytesIO()
    if format == "png":
        image.save(out, "PNG", compress_level=1)  # two thirds of level 3's time, 7 % more bytes
    else:
        image.save(out, format.upper(), quality=QUALITY)
    return out.getvalue()


def _zip(images: NDArray[np.uint8], format: Format) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for index, image in enumerate(images):
            entry = zipfile.ZipInfo(f"{index:04d}.{format}", EPOCH)
            archive.writestr(entry, _encoded(picture(image), format))
    return out.getvalue()
