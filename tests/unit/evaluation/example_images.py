"""Data sets in memory for evaluation: scikit-learn's digits, and any array."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from wgan.records import DatasetRef


@dataclass(frozen=True)
class ImagesInMemory:
    """Images uint8 (N, C, H, W) with or without labels."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    source: str = "digits"
    held_out: ImagesInMemory | None = None

    @property
    def ref(self) -> DatasetRef:
        return DatasetRef(
            name=self.source,
            source=self.source,
            digest="ab" * 32,
            uri="s3://wgan/datasets/example/manifest.json",
            manifest_sha256="cd" * 32,
            count=self.count,
            bad_count=0,
            image_size=self.image_size,
            channels=self.channels,
            classes=(),
        )

    @property
    def count(self) -> int:
        return self.pixels.shape[0]

    @property
    def channels(self) -> int:
        return self.pixels.shape[1]

    @property
    def image_size(self) -> int:
        return self.pixels.shape[2]

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self.pixels[indices]


@cache
def digits() -> ImagesInMemory:
    """The 1,797 digits at 32×32."""
    data = load_digits()
    small = np.rint(data.images * 255 / 16).astype(np.uint8)
    pixels = [np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC)) for image in small]
    return ImagesInMemory(np.stack(pixels)[:, None], data.target.astype(np.int64))


def stacked(images: ImagesInMemory, count: int) -> ImagesInMemory:
    """Random triples as the colour channels, labels 100·a + 10·b + c: `stacked-mnist` made of these digits."""
    assert images.labels is not None
    chosen = np.random.default_rng(0).integers(images.count, size=(count, 3))
    labels = images.labels[chosen] @ np.array([100, 10, 1])
    return ImagesInMemory(images.pixels[chosen][:, :, 0], labels, source="stacked-mnist")
