"""Fréchet distance between two sets of features, each taken as a Gaussian (Dowson and Landau 1982; Heusel et al. 2017).

    d² = |μ₁ − μ₂|² + Tr Σ₁ + Tr Σ₂ − 2 Tr (Σ₁Σ₂)^½

Implemented here because torchmetrics and torch-fidelity take the eigenvalues of the product Σ₁Σ₂: that matrix is not
symmetric, and for singular covariances (fewer images than features, dead features) rounding makes its eigenvalues
negative or complex. torchmetrics also sums x·xᵀ without centring, which loses digits.

For any roots Σᵢ = Rᵢᵀ Rᵢ, the eigenvalues of Σ₁Σ₂ are the squared singular values of R₁ R₂ᵀ, so the last trace is the
sum of these singular values. Each is accurate to the rounding of the largest, where the square root of a computed
eigenvalue keeps half of the digits. Centred vectors over √(N − 1) are such a root; with more vectors than features, the
pivoted Cholesky factor of the covariance is a smaller one. The tests compare with closed forms, torchmetrics and
scipy's sqrtm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpstrf

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
    return _distance(_of_moments(first), _of_moments(second))


def frechet_distance(real: NDArray[np.floating], generated: NDArray[np.floating]) -> float:
    """Squared Fréchet distance between two sets of feature vectors, shapes (N, d) and (M, d), N and M at least 2."""
    return _distance(_of_vectors(real), _of_vectors(generated))


@dataclass(frozen=True)
class _Gaussian:
    """A Gaussian by its mean (d,), its total variance Tr Σ, and a root (r, d) of its covariance: Σ = rootᵀ root."""

    mean: NDArray[np.float64]
    variance: float
    root: NDArray[np.float64]


def _of_vectors(vectors: NDArray[np.floating]) -> _Gaussian:
    count, dimension = vectors.shape
    if not 2 <= count <= dimension:
        return _of_moments(moments(vectors))
    mean = vectors.mean(axis=0, dtype=np.float64)
    root = (vectors - mean) / np.sqrt(count - 1)
    return _Gaussian(mean, float(np.square(root).sum()), root)


def _of_moments(given: Moments) -> _Gaussian:
    factor, order, rank, _ = dpstrf(given.covariance)  # upper triangular, of the covariance with its columns in `order`
    root = np.zeros((rank, len(order)))
    root[:, order - 1] = np.triu(factor[:rank])
    return _Gaussian(given.mean, float(np.trace(given.covariance)), root)


def _distance(first: _Gaussian, second: _Gaussian) -> float:
    shared = np.linalg.svd(first.root @ second.root.T, compute_uv=False).sum()
    shift = np.square(first.mean - second.mean).sum()
    return max(0.0, float(shift + first.variance + second.variance - 2 * shared))
