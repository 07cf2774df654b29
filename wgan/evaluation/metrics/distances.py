"""Squared Euclidean distances between two sets of vectors, compared as float64 compares them, for about half the time.

|a|² + |b|² − 2ab is computed in float32, whose matrix product is twice as fast as float64's. How far it may be off has
a bound (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, section 3.1): a sum of n products is at most
γ|a||b| off, γ = nu/(1 − nu), u = 2⁻²⁴. With 2|a||b| ≤ |a|² + |b|², an error of at most γ(|a|² + |b|²) remains, and with
|b|² ≤ 2|a|² + 2|a − b|² one of at most γ(3|a|² + 2|a − b|²), which an outlier among the b does not widen.
Comparisons that are closer than the bound are decided again in float64. They are few, except where points coincide, as
those of a collapsed generator do: then the whole block is computed in float64. On a GPU, and for numbers that float32
cannot hold, every block is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK_ELEMENTS = 2**21
"""Distances in memory at once (float32: 8 MiB), so that memory grows with N, not N²."""
ROUNDING = 2.0**-24
"""Largest relative error of a rounding to float32."""
SUMMED = 256
"""Features that one product of two sets adds up: sums of such sums have a smaller bound. A set's product with itself is
not divided, since it is symmetric, which makes it faster as a whole."""
FURTHER_ROUNDINGS = 16
"""More than those besides the sums': of both vectors, their norms, and adding these."""
FLOAT32_NORMS = (2.0**-60, 2.0**100)
"""Where the largest squared norm may lie, so that underflow stays far below the bound and nothing overflows."""
SPARE = 4
"""Neighbours beyond the one that is looked for, to find those that may be in its place."""
FEW = 1 / 32
"""Share of a block's comparisons up to which deciding each again is faster than computing the block in float64."""
PAIR_ELEMENTS = 2**18
"""Numbers in memory at once where pairs are decided again (float64: 2 MiB)."""


@dataclass(frozen=True)
class Points:
    """N vectors around an origin that is shared with those they are compared with."""

    vectors: Tensor
    """Float64 (N, d)."""
    norms: Tensor
    """Their squared norms, float64 (N,)."""
    rounded: NDArray[np.float32] | None
    """The vectors in float32; None where distances are computed in float64."""

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True)
class DistanceRows:
    """Rows of the matrix of squared distances: of B points to each of M. Every answer is the one that float64 gives."""

    points: Points
    """The B points."""
    others: Points
    distances: Tensor
    """(B, M)."""
    error: float
    """γ of the distances; 0 where they are float64."""
    largest: float
    """The largest squared norm of both sets."""

    def in_balls_of_others(self, squared_radii: Tensor) -> NDArray[np.bool_]:
        """Whether the point lies in the ball around each of the others, whose squared radii are (M,), float64."""
        error = self._error(self.others.norms, squared_radii)
        return self._within(squared_radii[None, :], error[None, :])

    def in_balls_of_points(self, squared_radii: Tensor) -> NDArray[np.bool_]:
        """Whether each of the others lies in the ball around the point, whose squared radii are (B,), float64."""
        error = self._error(self.points.norms, squared_radii)
        return self._within(squared_radii[:, None], error[:, None])

    def order_statistic(self, rank: int) -> Tensor:
        """The squared distance that `rank` others are as near or nearer than, 0 ≤ rank < M; float64 (B,)."""
        if not self.error:
            return _order_statistic(self.distances, rank)
        least, places = self.distances.topk(min(rank + 1 + SPARE, len(self.others)), dim=1, largest=False)
        found = least[:, rank, None]
        nearer, farther = self._in_order(least, found), self._in_order(found, least)
        rows, columns = (index.numpy() for index in torch.nonzero(~(nearer | farther), as_tuple=True))
        exact = torch.full(least.shape, torch.inf, dtype=torch.float64)
        exact[rows, columns] = _pair_distances(self.points, self.others, rows, places[rows, columns].numpy())
        radii = exact.sort(dim=1).values.gather(1, rank - nearer.sum(dim=1, keepdim=True))[:, 0]
        if least.shape[1] < len(self.others):
            unsure = torch.nonzero(~farther[:, -1])[:, 0]  # those beyond the last may be as near
            if len(unsure):
                radii[unsure] = _order_statistic(_float64_distances(self.points.vectors[unsure], self.others), rank)
        return radii

    def nearest(self, count: int) -> Tensor:
        """Positions of the `count` nearest others, in any order, 1 ≤ count ≤ M; int64 (B, count)."""
        least, places = self.distances.topk(min(count + 1, len(self.others)), dim=1, largest=False)
        found = places[:, :count].clone()
        if self.error and count < len(self.others):
            unsure = torch.nonzero(~self._in_order(least[:, count - 1, None], least[:, count, None])[:, 0])[:, 0]
            if len(unsure):
                exact = _float64_distances(self.points.vectors[unsure], self.others)
                found[unsure] = exact.topk(count, dim=1, largest=False).indices
        return found

    def _error(self, norms: Tensor, distances: Tensor) -> Tensor:
        """How far a distance near these may be off at a point with this squared norm; all of the same shape."""
        return self.error * torch.minimum(norms + self.largest, (3 * norms + 2 * distances) / (1 - 2 * self.error))

    def _in_order(self, nearer: Tensor, farther: Tensor) -> Tensor:
        """Whether float64, too, has the first of pairs of a point's distances (B, n) or (B, 1) as the smaller one."""
        norms = self.points.norms[:, None]
        errors = self._error(norms, nearer.double()) + self._error(norms, farther.double())
        return farther.double() - nearer.double() > errors

    def _within(self, squared_radii: Tensor, error: Tensor) -> NDArray[np.bool_]:
        if not self.error:
            within: NDArray[np.bool_] = (self.distances <= squared_radii).cpu().numpy()
            return within
        rough, radii, errors = self.distances.numpy(), squared_radii.numpy(), error.numpy()
        surely: NDArray[np.bool_] = rough <= np.nextafter((radii - errors).astype(np.float32), np.float32(-np.inf))
        possibly = rough <= np.nextafter((radii + errors).astype(np.float32), np.float32(np.inf))
        unsure = np.count_nonzero(possibly) - np.count_nonzero(surely)
        if not unsure:
            return surely
        if unsure > FEW * rough.size:
            exact = _float64_distances(self.points.vectors, self.others)
            return (exact <= squared_radii).numpy()
        rows, columns = np.nonzero(possibly ^ surely)
        pairs = _pair_distances(self.points, self.others, rows, columns).numpy()
        surely[rows, columns] = pairs <= np.broadcast_to(radii, rough.shape)[rows, columns]
        return surely


def points_around(origin: NDArray[np.float64], vectors: NDArray[np.floating], device: str) -> Points:
    """Vectors (N, d) around an origin (d,). `device` is a torch device that has float64 (not mps).

    Distances do not depend on the origin, but |a|² + |b|² − 2ab loses fewer digits near it.
    """
    placed = torch.from_numpy(vectors - origin).to(device, torch.float64)
    rounded = placed.numpy().astype(np.float32) if placed.device.type == "cpu" else None
    return Points(placed, torch.einsum("nd,nd->n", placed, placed), rounded)


def distance_rows(
    points: Points, others: Points, block_elements: int = BLOCK_ELEMENTS
) -> Iterator[tuple[slice, DistanceRows]]:
    """The squared distances of points (N, d) to others (M, d), in blocks of rows."""
    least, most = FLOAT32_NORMS
    largest = max(float(points.norms.max()), float(others.norms.max()))
    step = max(1, block_elements // len(others))
    others_norms = others.norms.float()
    dimension = points.vectors.shape[1]
    summed = dimension if points is others else min(dimension, SUMMED)
    roundings = ROUNDING * (summed + dimension // summed + FURTHER_ROUNDINGS)
    error = roundings / (1 - roundings)
    for start in range(0, len(points), step):
        rows = slice(start, start + step)
        rounded = None if points.rounded is None else points.rounded[rows]
        block = Points(points.vectors[rows], points.norms[rows], rounded)
        if rounded is None or others.rounded is None or not least <= largest <= most:
            yield rows, DistanceRows(block, others, _float64_distances(block.vectors, others), 0.0, largest)
            continue
        # numpy's product: torch's may be set to a lower precision.
        products = rounded[:, :summed] @ others.rounded[:, :summed].T
        for part in range(summed, dimension, summed):
            products += rounded[:, part : part + summed] @ others.rounded[:, part : part + summed].T
        distances = torch.from_numpy(products)
        distances.mul_(-2.0).add_(others_norms).add_(block.norms.float()[:, None])
        yield rows, DistanceRows(block, others, distances, error, largest)


def _float64_distances(vectors: Tensor, others: Points) -> Tensor:
    squares = torch.addmm(others.norms[None, :], vectors, others.vectors.T, alpha=-2.0)
    return squares.add_(vectors.square().sum(dim=1)[:, None]).clamp_(min=0.0)


def _order_statistic(distances: Tensor, rank: int) -> Tensor:
    return distances.topk(rank + 1, dim=1, largest=False, sorted=False).values.amax(dim=1)


def _pair_distances(points: Points, others: Points, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
    """Squared distances of pairs (P,), from the differences."""
    first, second = points.vectors.numpy(), others.vectors.numpy()
    distances = np.empty(len(rows))
    step = max(1, PAIR_ELEMENTS // first.shape[1])
    for start in range(0, len(rows), step):
        pairs = slice(start, start + step)
        differences = first[rows[pairs]] - second[columns[pairs]]
        distances[pairs] = np.einsum("ij,ij->i", differences, differences)
    return torch.from_numpy(distances)
