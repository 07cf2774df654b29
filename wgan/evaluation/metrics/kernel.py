"""Kernel distance: the unbiased squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018, KID).

    k(x, y) = (x·y / d + 1)³,    MMD² = mean k(x, x′) + mean k(y, y′) − 2 mean k(x, y),   x ≠ x′, y ≠ y′

Unlike the Fréchet distance it has no bias at small N: for a perfect generator its expectation is 0, so single values
may be negative.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK_ELEMENTS = 2**19
"""Kernel values in memory at once (float64: 4 MiB): memory grows with N, not N², and a block fits in the CPU cache."""
SYMMETRIC_ROWS = 256
"""Rows of a block of one set's kernel: few save more of its symmetric half, many use the processor better."""


def kernel_distance(
    real: NDArray[np.floating],
    generated: NDArray[np.floating],
    device: str = "cpu",
    real_mean: float | None = None,
    block_elements: int = BLOCK_ELEMENTS,
) -> float:
    """MMD² of vectors (N, d) and (M, d), N and M at least 2; unbounded, 0 in expectation for equal distributions.

    Computed in float64. `real_mean` is `mean_kernel(real)`, if already known. `device` is a torch device that
    has float64 (not mps).
    """
    if real_mean is None:
        real_mean = mean_kernel(real, device, block_elements)
    between = _kernel_sum(_points(real, device), _points(generated, device), block_elements)
    across = between / (len(real) * len(generated))
    return real_mean + mean_kernel(generated, device, block_elements) - 2 * across


def mean_kernel(vectors: NDArray[np.floating], device: str = "cpu", block_elements: int = BLOCK_ELEMENTS) -> float:
    """Mean of k over all pairs of different vectors of one set (N, d), N at least 2."""
    count, dimension = vectors.shape
    if count < 2:
        raise ValueError(f"a mean over pairs needs at least 2 vectors, not {count}")
    points = _points(vectors, device)
    with_themselves = float(points.square().sum(dim=1).div_(dimension).add_(1.0).pow_(3).sum())
    over_all = 0.0
    step = max(1, min(SYMMETRIC_ROWS, block_elements // count))
    for start in range(0, count, step):  # k is symmetric: of the pairs of two blocks of rows, one half is computed
        rows, later = points[start : start + step], points[start + step :]
        over_all += _kernel_sum(rows, rows, block_elements) + 2 * _kernel_sum(rows, later, block_elements)
    return float((over_all - with_themselves) / (count * (count - 1)))


def _points(vectors: NDArray[np.floating], device: str) -> Tensor:
    return torch.from_numpy(vectors).to(device, torch.float64)


def _kernel_sum(first: Tensor, second: Tensor, block_elements: int) -> float:
    total = 0.0
    for rows in torch.split(first, max(1, block_elements // max(1, len(second)))):
        total += float((rows @ second.T).div_(first.shape[1]).add_(1.0).pow_(3).sum())
    return total
