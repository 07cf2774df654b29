"""From images to an answer's bytes: PNG, JPEG, WebP; a grid, a ZIP or base64; raw npy; animations. No clock in them."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wgan.errors import WganError
from wgan.pixels import image_grid

Format = Literal["png", "jpeg", "webp"]
Layout = Literal["grid", "zip", "base64"]
MEDIA_TYPES: dict[Format, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
NPY, ZIP, JSON = "application/x-npy", "application/zip", "application/json"
QUALITY = 90
"""Of JPEG and WebP, of 100."""
LARGEST_SIDE = {"png": 2**15, "jpeg": 65_500, "webp": 16_383}
"""Pixels: what the formats, and for PNG most viewers, can hold."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time in a ZIP, so that the same images are the same bytes."""


class NotAcceptable(WganError):
    """The request accepts nothing that can be made."""


class TooLargePicture(WganError):
    """The picture would not fit the format."""


@dataclass(frozen=True)
class Shape:
    """How images are answered: `npy`, or a picture format and a layout."""

    layout: Layout | Literal["npy"]
    format: Format = "png"

    @property
    def media_type(self) -> str:
        """Content type of the answer."""
        fixed = {"npy": NPY, "zip": ZIP, "base64": JSON}
        return fixed.get(self.layout) or MEDIA_TYPES[self.format]


def negotiate(format: Format | None, layout: Layout | None, accept: str | None) -> Shape:
    """The answer's shape: what the body says, and where it says nothing, what `Accept` prefers; else a PNG grid.

    Raises `NotAcceptable`.
    """
    if format is not None or (layout is not None and not accept):
        return Shape(layout or "grid", format or "png")
    for media_type in _by_preference(accept or "*/*"):
        if media_type in ("*/*", "application/*") and layout:
            return Shape(layout)
        if media_type in ("*/*", "image/*"):
            return Shape(layout or "grid")
        for name, value in MEDIA_TYPES.items():
            if media_type == value:
                return Shape(layout or "grid", name)
        if media_type == NPY and layout is None:
            return Shape("npy")
        if media_type in (ZIP, "application/*") and layout in (None, "zip"):
            return Shape("zip")
        if media_type == JSON and layout in (None, "base64"):
            return Shape("base64")
    allowed = ", ".join((*MEDIA_TYPES.values(), ZIP, JSON, NPY))
    raise NotAcceptable(f"Accept: {(accept or '')[:100]!r} names nothing that can be made: allowed are {allowed}.")


def animation_format(accept: str | None) -> Literal["webp", "gif", "frames"]:
    """How a walk is answered: as an animation, or for JSON as single frames. Raises `NotAcceptable`."""
    kinds: dict[str, Literal["webp", "gif", "frames"]] = {"image/webp": "webp", "image/gif": "gif", JSON: "frames"}
    for media_type in _by_preference(accept or "*/*"):
        if media_type in ("*/*", "image/*"):
            return "webp"
        if media_type in kinds:
            return kinds[media_type]
    raise NotAcceptable(
        f"Accept: {(accept or '')[:100]!r} names nothing that can be made: allowed are {', '.join(kinds)}."
    )


def encode(images: NDArray[np.uint8], shape: Shape, facts: dict[str, Any]) -> bytes:
    """Images (N, C, H, W), uint8, C 1 or 3, as the body of an answer. `facts` go into the JSON of `base64`.

    Raises `TooLargePicture`.
    """
    match shape.layout:
        case "npy":
            return npy(images)
        case "grid":
            return _encoded(image_grid(images, gap=0 if len(images) == 1 else 2), shape.format)
        case "zip":
            return _zip(images, shape.format)
        case "base64":
            texts = [base64.b64encode(_encoded(picture(image), shape.format)).decode() for image in images]
            return json.dumps({**facts, "format": shape.format, "images": texts}).encode()


def animation(images: NDArray[np.uint8], format: Literal["webp", "gif"], frames_per_second: float) -> bytes:
    """Images (N, C, H, W), uint8, as a looping animation; WebP is lossless."""
    pictures = [picture(image) for image in images]
    if format == "webp":
        first, *others = [each.convert("RGB") for each in pictures]
    else:
        first, *others = [each if each.mode == "L" else each.quantize() for each in pictures]
    options: dict[str, Any] = {"lossless": True, "method": 0} if format == "webp" else {"disposal": 1}
    out = io.BytesIO()
    duration = round(1000 / frames_per_second)
    first.save(out, format.upper(), save_all=True, append_images=others, duration=duration, loop=0, **options)
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


def _encoded(image: Image.Image, format: Format) -> bytes:
    if max(image.size) > LARGEST_SIDE[format]:
        raise TooLargePicture(
            f"a grid of {image.width}×{image.height} pixels is too large for {format}: ask for fewer."
        )
    out = io.BytesIO()
    if format == "png":
        image.save(out, "PNG", compress_level=1)  # of level 3 it has two thirds of the time and 7 % more bytes
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


def _by_preference(accept: str) -> list[str]:
    """The media types of an `Accept` header, most wanted first; those with q=0 are left out."""
    wanted: list[tuple[float, str]] = []
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        if name and weight > 0:
            wanted.append((weight, name))
    return [name for _, name in sorted(wanted, key=lambda entry: -entry[0])]
