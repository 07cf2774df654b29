"""A decoded image with what its file declares, and its conversion to 8-bit sRGB on white."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wgan.data.colour import Correction, apply_profile, lab_to_srgb


class BadImage(Exception):
    """The file cannot be an image of the data set; the message is the reason recorded in the manifest."""


ANIMATION = "an animation or several pages: the first is used"
NO_PROFILE = "a colour profile that is damaged or for another kind of image: ignored"
NO_RANGE = "samples without a declared range: scaled by the range of the data set"
NO_ALPHA = "an alpha channel that is zero everywhere: ignored"
MULTIPLIED = "alpha declared as separate, but already multiplied in"


@dataclass(frozen=True)
class Picture:
    """Pixels, and what the file declares about them."""

    image: Image.Image
    """8 bits, "L", "RGB", "CMYK" or "LAB", without alpha."""
    alpha: Image.Image | None = None
    """"L"; 255 is opaque."""
    multiplied: bool = False
    """Whether alpha is already multiplied into the colours."""
    profile: bytes | None = None
    """ICC."""
    correction: Correction | None = None
    """Gamma and primaries of a file without a profile."""
    orientation: int = 1
    """EXIF's, 1 to 8."""
    remarks: tuple[str, ...] = ()


ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def on_white(picture: Picture) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture as "L" or "RGB" in sRGB, upright, on white; and remarks."""
    if picture.multiplied and picture.alpha and (picture.profile or picture.correction):
        picture = _divided(picture)
    image, remarks = _in_srgb(picture)
    if picture.alpha is not None:
        image = image if image.mode == "RGB" else image.convert("RGB")
        image = _composited(image, picture.alpha, picture.multiplied)
    if picture.orientation in ORIENTATIONS:
        image = image.transpose(ORIENTATIONS[picture.orientation])
    return image, picture.remarks + remarks


def _in_srgb(picture: Picture) -> tuple[Image.Image, tuple[str, ...]]:
    image = picture.image
    if picture.profile:
        converted = apply_profile(image, picture.profile)
        if converted is not None:
            return converted, ()
    remarks = (NO_PROFILE,) if picture.profile else ()
    if picture.correction and not picture.profile and image.mode in ("L", "RGB"):
        return picture.correction.apply(image), remarks
    if image.mode == "LAB":
        return lab_to_srgb(image), remarks
    return (image.convert("RGB") if image.mode == "CMYK" else image), remarks


def _composited(image: Image.Image, alpha: Image.Image, multiplied: bool) -> Image.Image:
    if not multiplied:
        image.putalpha(alpha)
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    colours: NDArray[np.uint16] = np.asarray(image).astype(np.uint16)
    colours += 255 - np.asarray(alpha)[:, :, np.newaxis].astype(np.uint16)
    return Image.fromarray(np.minimum(colours, 255).astype(np.uint8))


def _divided(picture: Picture) -> Picture:
    """The same picture with alpha taken out of the colours."""
    assert picture.alpha is not None
    alpha = np.asarray(picture.alpha).astype(np.float32)
    colours = np.asarray(picture.image).astype(np.float32)
    if colours.ndim == 3:
        alpha = alpha[:, :, np.newaxis]
    straight = np.where(alpha > 0, colours * 255 / np.maximum(alpha, 1), 255)
    image = Image.fromarray(np.rint(np.minimum(straight, 255)).astype(np.uint8), picture.image.mode)
    return replace(picture, image=image, multiplied=False)
