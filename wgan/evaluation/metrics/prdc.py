"""Precision and recall (Kynkäänniemi et al. 2019, equations 1 and 2), density and coverage (Naeem et al. 2020).

All four count the points that lie in balls around each point; a ball's radius is the distance to the k-th nearest other
point of the same set:

- precision: share of generated points inside the ball of any real point (are the pictures plausible?)
- recall:    share of real points inside the ball of any generated point (is everything covered?)
- density:   mean number of real balls a generated point lies in, divided by k (1 for a perfect generator; can exceed 1)
- coverage:  share of real balls that hold any generated point (1 − 2^−k on average for a perfect generator)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wgan.evaluation.metrics.distances import BLOCK_ELEMENTS, Points, distance_rows, points_around


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

    Every comparison is float64's. `device` is a torch device that has float64 (not mps). `real_radii` (N,) is
    `squared_radii(real, neighbours)`, if already known.
    """
    if not 1 <= neighbours < min(len(real), len(generated)):
        raise ValueError(f"neighbours must lie in [1, {min(len(real), len(generated)) - 1}], not {neighbours}")
    origin = real.mean(axis=0, dtype=np.float64)
    real_points, generated_points = (points_around(origin, vectors, device) for vectors in (real, generated))
    if real_radii is None:
        real_balls = _squared_radii(real_points, neighbours, block_elements)
    else:
        real_balls = torch.from_numpy(real_radii).to(device)
    # Around a mean of their own: the images of a collapsed generator are close to each other, and far from real ones.
    generated_balls = torch.from_numpy(squared_radii(generated, neighbours, device, block_elements)).to(device)

    balls_hit = np.zeros(len(generated), dtype=np.int64)
    reached, covered = np.zeros(len(real), dtype=np.bool_), np.zeros(len(real), dtype=np.bool_)
    for rows, distances in distance_rows(generated_points, real_points, block_elements):
        in_real_ball = distances.in_balls_of_others(real_balls)
        balls_hit[rows] = np.count_nonzero(in_real_ball, axis=1)
        covered |= in_real_ball.any(axis=0)
        reached |= distances.in_balls_of_points(generated_balls[rows]).any(axis=0)
    return Prdc(
        precision=float((balls_hit > 0).mean()),
        recall=float(reached.mean()),
        density=float(balls_hit.mean()) / neighbours,
        coverage=float(covered.mean()),
    )


def squared_radii(
    vectors: NDArray[np.floating], neighbours: int, device: str = "cpu", block_elements: int = BLOCK_ELEMENTS
) -> NDArray[np.float64]:
    """Squared distance of each of N vectors (N, d) to its k-th nearest other one, (N,), with 1 ≤ k < N."""
    points = points_around(vectors.mean(axis=0, dtype=np.float64), vectors, device)
    radii: NDArray[np.float64] = _squared_radii(points, neighbours, block_elements).cpu().numpy()
    return radii


def _squared_radii(points: Points, neighbours: int, block_elements: int) -> Tensor:
    # The nearest of the k + 1 is the point itself.
    return torch.cat([rows.order_statistic(neighbours) for _, rows in distance_rows(points, points, block_elements)])
