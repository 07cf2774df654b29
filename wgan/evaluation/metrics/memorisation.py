"""Does the generator copy its training images? The three-sample test of Meehan, Chaudhuri and Dasgupta (2020).

A generator that has learnt the distribution makes images as far from the training set as other real images are. The
statistic is therefore the Mann–Whitney probability that a generated image lies nearer to its nearest training image
than a held-out real one does to its own (ties count half): 0.5 for real images, 1 for copies, below 0.5 for pictures
that are farther from the real ones than real ones are from each other. Their paper's `C_T` is its z-score; the
probability itself does not grow with N.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wgan.evaluation.metrics.distances import BLOCK_ELEMENTS, distance_rows, points_around


@dataclass(frozen=True)
class Neighbours:
    """The nearest training images of N images, nearest first."""

    indices: NDArray[np.int64]
    """Positions among the training images, (N, k)."""
    distances: NDArray[np.float64]
    """Euclidean distances in the extractor's features, (N, k)."""


def memorisation(generated: NDArray[np.float64], held_out: NDArray[np.float64]) -> float:
    """Probability in [0, 1] that a generated image is nearer to the training set than a held-out one; ties half.

    `generated` (N,) and `held_out` (M,) are distances to the nearest training image (`nearest_neighbours`).
    """
    in_order = np.sort(held_out)
    farther = len(in_order) - np.searchsorted(in_order, generated, side="right")
    not_nearer = len(in_order) - np.searchsorted(in_order, generated, side="left")
    return float((farther + not_nearer).mean() / (2 * len(in_order)))


def nearest_neighbours(
    vectors: NDArray[np.floating],
    training: NDArray[np.floating],
    count: int = 1,
    device: str = "cpu",
    block_elements: int = BLOCK_ELEMENTS,
) -> Neighbours:
    """The `count` nearest of the training vectors (T, d) to each of the vectors (N, d), 1 ≤ count ≤ T.

    Every comparison is float64's; a copy is at distance exactly 0. `device` is a torch device that has float64 (not
    mps).
    """
    if not 1 <= count <= len(training):
        raise ValueError(f"count must lie in [1, {len(training)}], not {count}")
    origin = training.mean(axis=0, dtype=np.float64)
    references, points = (points_around(origin, each, device) for each in (training, vectors))
    found = torch.cat([rows.nearest(count) for _, rows in distance_rows(points, references, block_elements)])
    # Recomputed from the differences: rounding keeps |a|² + |b|² − 2ab of a copy from being 0.
    columns = [(points.vectors - references.vectors[column]).norm(dim=1) for column in found.T]
    distances = torch.stack(columns, dim=1)
    nearest_first = distances.argsort(dim=1, stable=True)
    return Neighbours(found.gather(1, nearest_first).cpu().numpy(), distances.gather(1, nearest_first).cpu().numpy())
