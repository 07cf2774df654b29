"""The real side: which images every seed compares with, and their features, computed once for both generators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wgan.evaluation.features import Extractor, Features, extract
from wgan.records import DatasetRef

SUBSET_STREAM = 1
"""Keeps a seed's choice of real images independent of the noise drawn from the same seed."""


class RealImages(Protocol):
    """What evaluation needs of a prepared data set (`wgan.data.dataset.PreparedImages`)."""

    @property
    def ref(self) -> DatasetRef:
        """The data set's record."""
        ...

    @property
    def count(self) -> int:
        """Images."""
        ...

    @property
    def channels(self) -> int:
        """1 grey, 3 RGB."""
        ...

    @property
    def image_size(self) -> int:
        """Height and width, pixels."""
        ...

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Class of every image, (count,), or None."""
        ...

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images (N, C, H, W) at `indices` (N,)."""
        ...


@dataclass(frozen=True)
class Reference:
    """Features of every real image that any seed uses, and each seed's rows in them."""

    features: Features
    rows: dict[int, NDArray[np.int64]]

    def at(self, seed: int) -> Features:
        """The real sample of one seed."""
        return self.features.rows(self.rows[seed])


def draw_subset(count: int, sample_count: int, seed: int) -> NDArray[np.int64]:
    """Indices of a seed's real sample: `sample_count` different ones of [0, count), sorted, int64."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, SUBSET_STREAM))))
    return np.sort(generator.choice(count, size=sample_count, replace=False)).astype(np.int64)


def reference_indices(count: int, sample_count: int, seeds: tuple[int, ...]) -> NDArray[np.int64]:
    """Every real image that any of the seeds uses, once, sorted."""
    return np.unique(np.concatenate([draw_subset(count, sample_count, seed) for seed in seeds]))


def measure_reference(
    images: RealImages,
    extractor: Extractor,
    sample_count: int,
    seeds: tuple[int, ...],
    batch_size: int,
    advance: Callable[[int], None],
) -> Reference:
    """Features of the real samples of all seeds; an image that several seeds drew goes through the extractor once."""
    wanted = reference_indices(images.count, sample_count, seeds)
    features = extract(extractor, gathered(images, wanted, batch_size), advance)
    rows = {seed: np.searchsorted(wanted, draw_subset(images.count, sample_count, seed)) for seed in seeds}
    return Reference(features, rows)


def gathered(images: RealImages, indices: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.uint8]]:
    """The images at `indices` in batches (B, C, H, W)."""
    for start in range(0, len(indices), batch_size):
        yield images.gather(indices[start : start + batch_size])
