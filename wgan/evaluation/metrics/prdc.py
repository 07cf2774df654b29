"""Precision and recall (Kynkäänniemi et al. 2019, equations 1 and 2), density and coverage (Naeem et al. 2020).

All four count the points that lie in balls around each point; a ball's radius is the distance to the k-th nearest other
point of the same set:

- precision: share of generated points inside the ball of any real point (are the pictures plausible?)
- recall:    share of real points inside the ball of any generated point (is everything covered?)
- density:   mean number of real balls a generated point lies in, divided by k (1 for a perfect generator; can exceed 1)
- coverage:  share of real balls that hold any generated point (1 − 2^−k on average for a perfect generator)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK_ELEMENTS = 2**19
"""Distances in memory at once (float64: 4 MiB): memory grows with N, not N², and a block fits in the CPU cache."""


@dataclass(frozen=True)
class Prdc:
    """The four numbers; density is at least 0, the others lie in [0, 1]."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(
    real: NDArray[np.floating],
    generated: NDArray[np.floating],
    neighbours: int,
    device: str = "cpu",
    block_elements: int = BLOCK_ELEMENTS,
    real_radii: NDArray[np.float64] | None = None,
) -> Prdc:
    """The four numbers for vectors of shape (N, d) and (M, d), with 1 ≤ neighbours < min(N, M).

    Computed in float64 in blocks of rows. `device` is a torch device that has float64 (not mps). `real_radii` (N,) is
    `squared_radii(real, neighbours)`, if already known.
    """
    if not 1 <= neighbours < min(len(real), len(generated)):
        raise ValueError(f"neighbours must lie in [1, {min(len(real), len(generated)) - 1}], not {neighbours}")
    # Distances do not change with the origin, but |a|² + |b|² − 2ab loses fewer digits near it.
    origin = real.mean(axis=0, dtype=np.float64)
    real_points = torch.from_numpy(real - origin).to(device, torch.float64)
    generated_points = torch.from_numpy(generated - origin).to(device, torch.float64)
    if real_radii is None:
        known_radii = _squared_radii(real_points, neighbours, block_elements)
    else:
        known_radii = torch.from_numpy(real_radii).to(device)
    generated_radii = _squared_radii(generated_points, neighbours, block_elements)

    balls_hit = torch.zeros(len(generated), dtype=torch.int64)
    reached = torch.zeros(len(real), dtype=torch.bool)
    covered = torch.zeros(len(real), dtype=torch.bool)
    for rows, distances in _squared_distances(generated_points, real_points, block_elements):
        in_real_ball = (distances <= known_radii).cpu().numpy()
        # numpy counts bytes of 0 and 1 about ten times as fast as torch on the CPU.
        balls_hit[rows] = torch.from_numpy(np.count_nonzero(in_real_ball, axis=1))
        covered |= torch.from_numpy(in_real_ball.any(axis=0))
        in_generated_ball = (distances <= generated_radii[rows, None]).cpu().numpy()
        reached |= torch.from_numpy(in_generated_ball.any(axis=0))
    return Prdc(
        precision=_mean(balls_hit > 0),
        recall=_mean(reached),
        density=_mean(balls_hit) / neighbours,
        coverage=_mean(covered),
    )


def squared_radii(
    vectors: NDArray[np.floating], neighbours: int, device: str = "cpu", block_elements: int = BLOCK_ELEMENTS
) -> NDArray[np.float64]:
    """Squared distance of each of N vectors (N, d) to its k-th nearest other one, (N,), with 1 ≤ k < N."""
    centred = torch.from_numpy(vectors - vectors.mean(axis=0, dtype=np.float64)).to(device, torch.float64)
    radii: NDArray[np.float64] = _squared_radii(centred, neighbours, block_elements).cpu().numpy()
    return radii


def _squared_radii(points: Tensor, neighbours: int, block_elements: int) -> Tensor:
    """Squared distance of each point to its k-th nearest other one, shape (N,)."""
    radii = torch.empty(len(points), dtype=points.dtype, device=points.device)
    for rows, distances in _squared_distances(points, points, block_elements):
        # The nearest of the k + 1 is the point itself.
        radii[rows] = distances.topk(neighbours + 1, dim=1, largest=False, sorted=False).values.amax(dim=1)
    return radii


def _squared_distances(first: Tensor, second: Tensor, block_elements: int) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of rows of the (N, M) matrix of squared distances."""
    second_norms = second.square().sum(dim=1)
    step = max(1, block_elements // len(second))
    for start in range(0, len(first), step):
        block = first[start : start + step]
        squares = torch.addmm(second_norms[None, :], block, second.T, alpha=-2.0)
        yield slice(start, start + step), squares.add_(block.square().sum(dim=1)[:, None]).clamp_(min=0.0)


def _mean(values: Tensor) -> float:
    return float(values.to(torch.float64).mean())
