"""What a notebook needs besides the loop: images from a numpy array, and an observer that prints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan.config import RetrainConfig
from wgan.errors import UsageError
from wgan.training.batches import ImageSource

SHOWN = ("wasserstein_median", "critic_loss", "generator_loss", "images_per_second")


class ArrayImages:
    """Square images from an array, uint8 (N, H, H), (N, H, H, C) or (N, C, H, H) with C 1 or 3.

    Raises `UsageError` for any other array.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        if pixels.dtype != np.uint8:
            raise UsageError(f"the images are {pixels.dtype}; scale them to 0 … 255 and convert them to uint8.")
        if pixels.ndim == 3:
            pixels = pixels[:, None]
        elif pixels.ndim == 4 and pixels.shape[1] not in (1, 3):
            pixels = pixels.transpose(0, 3, 1, 2)
        if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or pixels.shape[2] != pixels.shape[3] or not len(pixels):
            raise UsageError(f"images of shape {pixels.shape} are neither (N, H, H), (N, H, H, C) nor (N, C, H, H).")
        self.pixels = np.ascontiguousarray(pixels)
        self.count, self.channels, self.image_size = pixels.shape[:3]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of shape and pixels: training resumes only on the same images."""
        return hashlib.sha256(f"{self.pixels.shape}".encode() + self.pixels.tobytes()).hexdigest()

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images at `indices` (N,), as (N, C, H, H)."""
        return self.pixels[indices]


class PrintObserver:
    """Prints a line whenever metrics are logged. Subclass it to do more, or to stop early."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """One line: the step, the estimate, the losses, the speed."""
        shown = [f"{name} {values[name]:.4g}" for name in SHOWN if name in values]
        print(f"step {step}: {', '.join(shown)}", flush=True)

    def samples(self, step: int, images: NDArray[np.uint8]) -> None:
        """Not printed."""

    def checkpoint(self, step: int, path: Path) -> None:
        """Not printed."""

    def should_stop(self) -> bool:
        """Never."""
        return False


PRINTED = PrintObserver()


def require_configured_shape(images: ImageSource, config: RetrainConfig) -> None:
    """Raise `UsageError` if the images do not have the configured size and number of channels."""
    for name in ("image_size", "channels"):
        found, configured = getattr(images, name), getattr(config.data, name)
        if found != configured:
            raise UsageError(f"the images have {name} {found} and the configuration says data.{name}={configured}.")
