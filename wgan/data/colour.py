"""Converts the colours that a file declares to sRGB: ICC profiles, gamma and primaries, CIELab."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

SAME_WITHIN = 2
"""Tolerance in grey levels: a profile that changes no colour by more counts as sRGB, and its pixels are kept."""
PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK", "LAB": "Lab "}
Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
SRGB_PRIMARIES: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.3290))
"""Red, green, blue and white, as xy."""
SRGB_GAMMA = 1 / 2.2
CLOSE_GAMMA = 0.05
CLOSE_PRIMARIES = 0.005
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50 = np.array([0.9642, 1.0, 0.8249])


@dataclass(frozen=True)
class Correction:
    """What a file without a profile declares: its transfer curve and its primaries."""

    gamma: float | None
    """Exponent from light to value: 1 is linear, 0.45455 about sRGB; None: sRGB's own curve."""
    primaries: Primaries = SRGB_PRIMARIES

    def apply(self, image: Image.Image) -> Image.Image:
        """An "L" or "RGB" image in sRGB."""
        return Image.fromarray(_rounded(self.encoded(np.asarray(image).astype(np.float32) / np.float32(255))))

    def encoded(self, shares: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values between 0 and 1 in sRGB; three channels last, or grey without a channel axis."""
        light = srgb_to_light(shares) if self.gamma is None else np.power(shares, 1 / self.gamma)
        if shares.ndim == 3 and not _same_primaries(self.primaries):
            matrix = np.linalg.inv(rgb_to_xyz(SRGB_PRIMARIES)) @ rgb_to_xyz(self.primaries)
            light = light @ matrix.T.astype(np.float32)
        return light_to_srgb(np.clip(light, 0, 1))


def correction_of(gamma: float | None, primaries: Primaries | None) -> Correction | None:
    """The correction for a gamma and primaries; None if they describe sRGB or are impossible."""
    if gamma is not None and (not 0.01 < gamma < 10 or abs(gamma / SRGB_GAMMA - 1) < CLOSE_GAMMA):
        gamma = None
    if primaries is not None and not _possible(primaries):
        primaries = None
    primaries = primaries or SRGB_PRIMARIES
    return None if gamma is None and _same_primaries(primaries) else Correction(gamma, primaries)


def apply_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The image in sRGB; None if the profile is unreadable or for another kind of image."""
    if image.mode == "L" and _transform(profile, "RGB"):  # grey pixels with an RGB profile
        image = image.convert("RGB")
    if not (transform := _transform(profile, image.mode)):
        return None
    if transform.same:
        return image
    result = transform.cms.apply(image)
    return result if result.mode == "RGB" else result.convert("RGB")


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """A "LAB" image (L 0 to 255, a and b offset by 128, white D50) in sRGB."""
    lab = np.asarray(image).astype(np.float64)
    fy = (lab[..., 0] / 2.55 + 16) / 116
    fx, fz = fy + (lab[..., 1] - 128) / 500, fy - (lab[..., 2] - 128) / 200
    f = np.stack([fx, fy, fz], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50
    light = xyz @ np.linalg.inv(rgb_to_xyz(SRGB_PRIMARIES)).T
    return Image.fromarray(_rounded(light_to_srgb(np.clip(light, 0, 1).astype(np.float32))))


def srgb_to_light(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """IEC 61966-2-1, decoding."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def light_to_srgb(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """IEC 61966-2-1, encoding."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def rgb_to_xyz(primaries: Primaries) -> NDArray[np.float64]:
    """Matrix from linear RGB of these primaries to XYZ, adapted to D50 (Bradford)."""
    xyz = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries])
    colours, white = xyz[:3].T, xyz[3]
    matrix = colours * np.linalg.solve(colours, white)
    adapted = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ white)) @ BRADFORD
    return np.asarray(adapted @ matrix, dtype=np.float64)


@dataclass(frozen=True)
class _Transform:
    cms: ImageCms.ImageCmsTransform
    same: bool


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> _Transform | None:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space != PROFILE_SPACES.get(mode):
            return None
        target = ImageCms.createProfile("sRGB")
        cms = ImageCms.buildTransform(opened, target, mode, "RGB", _intent(opened))
        probe = _probe(mode)
        same = False
        if mode in ("L", "RGB"):
            before = np.asarray(probe.convert("RGB")).astype(np.int16)
            same = bool(np.abs(before - np.asarray(cms.apply(probe)).astype(np.int16)).max() <= SAME_WITHIN)
        return _Transform(cms, same)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError, AttributeError):
        return None


def _intent(profile: ImageCms.ImageCmsProfile) -> ImageCms.Intent:
    """Perceptual if the profile supports it, else relative colorimetric."""
    perceptual = ImageCms.Intent.PERCEPTUAL
    if ImageCms.isIntentSupported(profile, perceptual, ImageCms.Direction.INPUT) == 1:
        return perceptual
    return ImageCms.Intent.RELATIVE_COLORIMETRIC


def _probe(mode: str) -> Image.Image:
    """Colours spread over the cube, or the greys."""
    if mode == "RGB":
        steps = np.arange(0, 256, 15, dtype=np.uint8)
        return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(len(steps), -1, 3))
    return Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])


def _same_primaries(primaries: Primaries) -> bool:
    return bool(np.abs(np.array(primaries) - np.array(SRGB_PRIMARIES)).max() < CLOSE_PRIMARIES)


def _possible(primaries: Primaries) -> bool:
    points = np.array(primaries)
    if (points[:, 1] <= 0).any() or (points < 0).any() or (points > 1).any():
        return False
    (rx, ry), (gx, gy), (bx, by) = points[:3]
    return bool(abs((gx - rx) * (by - ry) - (bx - rx) * (gy - ry)) > 1e-4)


def _rounded(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(shares * 255).astype(np.uint8)
