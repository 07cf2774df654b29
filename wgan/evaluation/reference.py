"""The real side: the images each seed compares with, and everything computed from them without a generator.

Computed once per data set and protocol; `reference_cache` stores it.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wgan.evaluation.extractors.features import Extractor, extract
from wgan.evaluation.metrics import sliced
from wgan.evaluation.metrics.kernel import mean_kernel
from wgan.evaluation.metrics.memorisation import nearest_neighbours
from wgan.evaluation.metrics.prdc import squared_radii
from wgan.evaluation.metrics.sliced import Projections, sorted_projections
from wgan.records import DatasetRef, EvaluationProtocol

SUBSET_STREAM = 1
"""Keeps a seed's choice of real images independent of the noise drawn from the same seed."""
TRAINING_SEED = 0
"""Seed for the training images that memorisation is judged against; the same for all seeds."""


class RealImages(typing.Protocol):
    """What evaluation needs from a prepared data set (`wgan.data.dataset.PreparedImages`)."""

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

    @property
    def held_out(self) -> RealImages | None:
        """The held-out images of a set of training images; None if there are none."""
        ...

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images (N, C, H, W) at `indices` (N,)."""
        ...


@dataclass(frozen=True)
class RealSample:
    """The real side of one seed: N images, and the data for judging memorisation."""

    vectors: NDArray[np.float32]
    """Features (N, d)."""
    squared_radii: NDArray[np.float64]
    """Squared distance of each of the N to its k-th nearest other one."""
    kernel_mean: float
    """Mean of the kernel over pairs of the N."""
    projections: Projections
    """Sorted projections of patches of at most `sliced.IMAGES` of the N."""
    training: NDArray[np.float32]
    """Features (T, d) of the training images that memorisation is judged against; T may be 0."""
    held_out_distances: NDArray[np.float64]
    """Distance of each held-out image to its nearest training image; empty without held-out images."""


@dataclass(frozen=True)
class Reference:
    """The real side of all seeds: S seeds, N images each, M distinct ones in total."""

    seeds: tuple[int, ...]
    indices: NDArray[np.int64]
    """Sorted indices of the data set's images that have features here, (M,)."""
    vectors: NDArray[np.float32]
    """Their features, (M, d)."""
    rows: NDArray[np.int64]
    """Each seed's images among the M, (S, N)."""
    training_rows: NDArray[np.int64]
    """The training images that memorisation is judged against, among the M, (T,)."""
    squared_radii: NDArray[np.float64]
    """(S, N)."""
    kernel_means: NDArray[np.float64]
    """(S,)."""
    projections: Projections
    """Per level (S, patches, directions)."""
    held_out_distances: NDArray[np.float64]
    """(S, held-out images); (S, 0) if there are none."""

    def at(self, seed: int) -> RealSample:
        """The real sample of one seed."""
        place = self.seeds.index(seed)
        return RealSample(
            vectors=self.vectors[self.rows[place]],
            squared_radii=self.squared_radii[place],
            kernel_mean=float(self.kernel_means[place]),
            projections=tuple(level[place] for level in self.projections),
            training=self.vectors[self.training_rows],
            held_out_distances=self.held_out_distances[place],
        )


def draw_subset(count: int, sample_count: int, seed: int) -> NDArray[np.int64]:
    """Indices of a seed's real sample: `sample_count` distinct values in [0, count), sorted, int64."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, SUBSET_STREAM))))
    return np.sort(generator.choice(count, size=sample_count, replace=False)).astype(np.int64)


def reference_indices(count: int, protocol: EvaluationProtocol) -> NDArray[np.int64]:
    """Sorted unique indices of the images that any seed or memorisation uses."""
    drawn = [draw_subset(count, protocol.sample_count, seed) for seed in protocol.seeds]
    return np.unique(np.concatenate([*drawn, draw_subset(count, protocol.training_images, TRAINING_SEED)]))


def reference_cost(images: RealImages, protocol: EvaluationProtocol) -> int:
    """How many images `measure_reference` puts through the extractor."""
    return len(reference_indices(images.count, protocol)) + len(_held_out_indices(images, protocol))


def measure_reference(
    images: RealImages,
    extractor: Extractor,
    protocol: EvaluationProtocol,
    batch_size: int,
    device: str,
    advance: Callable[[int], None],
) -> Reference:
    """Measure the real side of all seeds; an image drawn by several seeds goes through the extractor once.

    `device` is a torch device that has float64. `advance(images)` is called after each batch.
    """
    wanted = reference_indices(images.count, protocol)
    vectors = extract(extractor, gathered(images, wanted, batch_size), advance).vectors
    subsets = [draw_subset(images.count, protocol.sample_count, seed) for seed in protocol.seeds]
    rows = np.stack([np.searchsorted(wanted, subset) for subset in subsets])
    training_rows = np.searchsorted(wanted, draw_subset(images.count, protocol.training_images, TRAINING_SEED))
    sorted_per_seed = []
    for seed, subset in zip(protocol.seeds, subsets, strict=True):
        chosen = subset[evenly_spaced(len(subset), sliced.IMAGES)]
        sorted_per_seed.append(sorted_projections(gathered(images, chosen, batch_size), len(chosen), seed, device))
    return Reference(
        seeds=protocol.seeds,
        indices=wanted,
        vectors=vectors,
        rows=rows,
        training_rows=training_rows,
        squared_radii=np.stack([squared_radii(vectors[row], protocol.neighbours, device) for row in rows]),
        kernel_means=np.array([mean_kernel(vectors[row], device) for row in rows]),
        projections=tuple(np.stack(level) for level in zip(*sorted_per_seed, strict=True)),
        held_out_distances=_held_out_distances(
            images, extractor, protocol, vectors[training_rows], batch_size, device, advance
        ),
    )


def evenly_spaced(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` positions in [0, count), evenly spaced, so that data sorted by class is fully represented."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def gathered(images: RealImages, indices: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.uint8]]:
    """The images at `indices` in batches (B, C, H, W)."""
    for start in range(0, len(indices), batch_size):
        yield images.gather(indices[start : start + batch_size])


def _held_out_indices(images: RealImages, protocol: EvaluationProtocol) -> NDArray[np.int64]:
    if images.held_out is None or not protocol.held_out_images:
        return np.empty(0, dtype=np.int64)
    count = images.held_out.count
    return np.unique(np.concatenate([draw_subset(count, protocol.held_out_images, seed) for seed in protocol.seeds]))


def _held_out_distances(
    images: RealImages,
    extractor: Extractor,
    protocol: EvaluationProtocol,
    training: NDArray[np.float32],
    batch_size: int,
    device: str,
    advance: Callable[[int], None],
) -> NDArray[np.float64]:
    wanted = _held_out_indices(images, protocol)
    if images.held_out is None or not len(wanted):
        return np.empty((len(protocol.seeds), 0))
    vectors = extract(extractor, gathered(images.held_out, wanted, batch_size), advance).vectors
    distances = nearest_neighbours(vectors, training, device=device).distances[:, 0]
    count = images.held_out.count
    return np.stack(
        [
            distances[np.searchsorted(wanted, draw_subset(count, protocol.held_out_images, seed))]
            for seed in protocol.seeds
        ]
    )
