"""Downsampled pixels as features, for data without labels.

Sound but coarse: they capture layout, brightness and colour, not texture or shape, and have no modes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d

from wgan.evaluation.extractors.features import Features, variance_scale
from wgan.evaluation.reference import RealImages

FEATURE_SIZE = 8
"""Height and width that images are averaged down to: 64 features per channel."""
SCALE_IMAGES = 4096
BATCH = 512


@dataclass(frozen=True)
class PixelExtractor:
    """Means of square patches, times a factor that gives real images the total variance of the unit."""

    scale: float
    name: str = "pixels"
    accuracy: float | None = None
    class_shares: NDArray[np.float64] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the definition."""
        return hashlib.sha256(f"pixels {FEATURE_SIZE} {self.scale.hex()}".encode()).hexdigest()

    def __call__(self, images: NDArray[np.uint8]) -> Features:
        """Features (B, C·64) of images uint8 (B, C, H, W)."""
        return Features(_patch_means(images) * np.float32(self.scale))


def fit_pixel_extractor(images: RealImages) -> PixelExtractor:
    """Make the extractor of a data set; its scale is computed on at most 4,096 evenly spaced images."""
    spread = np.linspace(0, images.count - 1, min(images.count, SCALE_IMAGES)).astype(np.int64)
    parts = [_patch_means(images.gather(spread[start : start + BATCH])) for start in range(0, len(spread), BATCH)]
    return PixelExtractor(variance_scale(np.concatenate(parts)))


def _patch_means(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    tensor = torch.from_numpy(images).to(torch.float32).div_(255)
    return adaptive_avg_pool2d(tensor, FEATURE_SIZE).flatten(1).numpy()
