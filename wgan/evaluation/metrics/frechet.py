"""Fréchet distance between two sets of features, each taken as a Gaussian (Dowson and Landau 1982; Heusel et al. 2017).

    d² = |μ₁ − μ₂|² + Tr Σ₁ + Tr Σ₂ − 2 Tr (Σ₁Σ₂)^½

Implemented here because torchmetrics takes the eigenvalues of the product Σ₁Σ₂: that matrix is not
symmetric, and for singular covariances (fewer images than features, dead features) rounding makes its eigenvalues
negative or complex. torchmetrics also sums x·xᵀ without centring, which loses digits. The symmetric form Σ₁^½ Σ₂ Σ₁^½
has the same eigenvalues, all real and at least 0. The tests compare with torchmetrics and scipy's sqrtm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and unbiased covariance (d, d) of feature vectors, float64."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


def moments(vectors: NDArray[np.floating]) -> Moments:
    """Mean and covariance of N ≥ 2 vectors (N, d); extra memory is O(d²)."""
    return streamed_moments(vectors[start : start + BLOCK_ROWS] for start in range(0, len(vectors), BLOCK_ROWS))


def streamed_moments(batches: Iterable[NDArray[np.floating]]) -> Moments:
    """Mean and covariance of batches of vectors (B, d), N ≥ 2 in all, in one pass with constant memory.

    Each batch is centred on its own mean and merged by the parallel update of Chan, Golub and LeVeque (1983): unlike
    sums of x·xᵀ, it loses no digits when features lie far from the origin.
    """
    count, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
    for batch in batches:
        added = len(batch)
        if not added:
            continue
        batch_mean = batch.mean(axis=0, dtype=np.float64)
        centred = batch.astype(np.float64) - batch_mean
        batch_scatter = centred.T @ centred
        if not count:
            count, mean, scatter = added, batch_mean, batch_scatter
            continue
        shift = batch_mean - mean
        scatter += batch_scatter + np.outer(shift, shift) * (count * added / (count + added))
        mean = mean + shift * (added / (count + added))
        count += added
    if count < 2:
        raise ValueError(f"a covariance needs at least 2 vectors, not {count}")
    return Moments(mean, scatter / (count - 1))


def gaussian_distance(first: Moments, second: Moments) -> float:
    """Squared Fréchet (2-Wasserstein) distance between two Gaussians; at least 0."""
    values, axes = np.linalg.eigh(first.covariance)
    root = (axes * np.sqrt(np.clip(values, 0.0, None))) @ axes.T
    inner = root @ second.covariance @ root
    product_values = np.linalg.eigvalsh((inner + inner.T) / 2)
    shared = np.sqrt(np.clip(product_values, 0.0, None)).sum()
    shift = np.square(first.mean - second.mean).sum()
    return max(0.0, float(shift + np.trace(first.covariance) + np.trace(second.covariance) - 2 * shared))


def frechet_distance(real: NDArray[np.floating], generated: NDArray[np.floating]) -> float:
    """Squared Fréchet distance between two sets of feature vectors, shapes (N, d) and (M, d), N and M at least 2."""
    return gaussian_distance(moments(real), moments(generated))
