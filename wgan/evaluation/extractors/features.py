"""What the metrics compare: feature vectors of images, and the classes an extractor saw in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

REAL_TOTAL_VARIANCE = 100.0
"""Total variance (trace of the covariance) of real images in the features of `classifier` and `pixels`.

It fixes the unit of the Fréchet distance: percent of the real images' variance. A perfect generator scores 0 and one
that only produces the average feature vector scores 100, whatever the data set and however a classifier scales its last
layer. The distance is still not comparable between data sets, nor with published Inception distances.
"""


@dataclass(frozen=True)
class Features:
    """Features of N images: `vectors` float32 (N, d); `classes` int64 (N,) or None for an extractor without them."""

    vectors: NDArray[np.float32]
    classes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def rows(self, positions: NDArray[np.int64]) -> Features:
        """The features of some of the images."""
        return Features(self.vectors[positions], None if self.classes is None else self.classes[positions])


class Extractor(Protocol):
    """Maps images to features, and holds what a protocol must record about the mapping."""

    @property
    def name(self) -> str:
        """Name in the configuration."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the weights or the definition: equal digests give equal features."""
        ...

    @property
    def accuracy(self) -> float | None:
        """Share of held-out real images classified correctly; None for an extractor without classes."""
        ...

    @property
    def class_shares(self) -> NDArray[np.float64] | None:
        """Distribution of the data's classes, shape (K,), sum 1, all positive; None without classes."""
        ...

    def __call__(self, images: NDArray[np.uint8]) -> Features:
        """Features of one batch, uint8 (B, C, H, W)."""
        ...


def extract(
    extractor: Extractor, batches: Iterable[NDArray[np.uint8]], advance: Callable[[int], None] = lambda images: None
) -> Features:
    """Features of all batches, in order; `advance(images)` is called after each batch."""
    parts = []
    for batch in batches:
        parts.append(extractor(batch))
        advance(len(batch))
    classes = [part.classes for part in parts if part.classes is not None]
    return Features(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate(classes) if len(classes) == len(parts) else None,
    )


def variance_scale(vectors: NDArray[np.float32]) -> float:
    """Factor that gives real feature vectors (N, d) the total variance `REAL_TOTAL_VARIANCE`; 1 if all are equal."""
    total = float(vectors.astype(np.float64).var(axis=0).sum())
    return math.sqrt(REAL_TOTAL_VARIANCE / total) if total > 0 else 1.0
