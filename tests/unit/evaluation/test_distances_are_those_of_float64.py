"""Comparisons of distances, mostly made in float32, against scipy's distances in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from wgan.evaluation.metrics.distances import DistanceRows, distance_rows, points_around


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def rows_of(first: NDArray[np.float64], second: NDArray[np.float64], elements: int = 10**9) -> list[DistanceRows]:
    origin = second.mean(axis=0)
    points = points_around(origin, first, "cpu")
    others = points if first is second else points_around(origin, second, "cpu")
    return [rows for _, rows in distance_rows(points, others, elements)]


def spread(count: int, dimension: int, seed: int = 0) -> NDArray[np.float64]:
    """Points in most directions little, as features are."""
    return normal(seed, count, dimension) / np.sqrt(1 + np.arange(dimension))


SETS = {
    "one feature": normal(0, 200, 1),
    "few features": normal(1, 200, 5),
    "many features": spread(150, 700),
    "all at one place": np.ones((60, 30)),
    "near one place": 5 + 1e-7 * normal(2, 80, 30),
    "every point twice": np.concatenate([normal(3, 60, 8)] * 2),
    "an outlier": np.concatenate([normal(4, 99, 20), np.full((1, 20), 1e5)]),
    "far from the origin": normal(5, 80, 10) + 1e7,
    "tiny": 1e-25 * normal(6, 80, 10),
    "huge": 1e25 * normal(7, 80, 10),
    "very different sizes": normal(8, 80, 10) * 10.0 ** np.linspace(-12, 3, 80)[:, None],
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("rank", [0, 1, 5])
def test_the_kth_smallest_distance_is_that_of_float64(name: str, rank: int) -> None:
    vectors = SETS[name]
    expected = np.sort(cdist(vectors, vectors, "sqeuclidean"), axis=1)[:, rank]
    (rows,) = rows_of(vectors, vectors)
    scale = np.square(vectors - vectors.mean(axis=0)).sum(axis=1).max()
    np.testing.assert_allclose(rows.order_statistic(rank).numpy(), expected, rtol=1e-9, atol=1e-14 * scale)


@pytest.mark.parametrize("name", SETS)
def test_the_nearest_points_are_those_of_float64(name: str) -> None:
    vectors = SETS[name]
    others = vectors[::2] + 0.01 * np.abs(vectors).max() * normal(9, *vectors[::2].shape)
    distances = cdist(vectors, others, "sqeuclidean")
    (rows,) = rows_of(vectors, others)
    found = np.take_along_axis(distances, rows.nearest(3).numpy(), axis=1)
    np.testing.assert_allclose(np.sort(found, axis=1), np.sort(distances, axis=1)[:, :3], rtol=1e-9)


@pytest.mark.parametrize("name", ["few features", "many features", "an outlier", "very different sizes"])
def test_points_in_balls_are_those_of_float64_where_float32_cannot_tell(name: str) -> None:
    points, others = SETS[name], SETS[name][::-1] + 0.1
    distances = cdist(points, others, "sqeuclidean")
    # Each ball ends within 1e-8 of a distance, alternately just inside and just outside.
    sides = 1 + 1e-8 * (-1.0) ** np.arange(len(points))
    middle = len(points) // 2
    radii_of_points = np.sort(distances, axis=1)[:, middle] * sides
    radii_of_others = np.sort(distances, axis=0)[middle] * sides
    (rows,) = rows_of(points, others)
    in_points = rows.in_balls_of_points(torch.from_numpy(radii_of_points))
    in_others = rows.in_balls_of_others(torch.from_numpy(radii_of_others))
    np.testing.assert_array_equal(in_points, distances <= radii_of_points[:, None])
    np.testing.assert_array_equal(in_others, distances <= radii_of_others[None, :])


def test_float32_is_off_by_no_more_than_its_bound() -> None:
    points, others = spread(100, 1280, 10).astype(np.float32), spread(90, 1280, 11).astype(np.float32)
    (rows,) = rows_of(points.astype(np.float64), others.astype(np.float64))
    bound = rows.error * (rows.points.norms[:, None] + rows.others.norms[None, :]).numpy()
    off = np.abs(rows.distances.numpy() - cdist(points.astype(np.float64), others.astype(np.float64), "sqeuclidean"))
    assert rows.distances.dtype == torch.float32
    assert off.max() > 0
    assert (off <= bound).all()


def test_blocks_together_are_the_whole() -> None:
    vectors = normal(12, 101, 6)
    (whole,) = rows_of(vectors, vectors)
    parts = rows_of(vectors, vectors, elements=7 * 101)
    assert [len(part.points) for part in parts] == [7] * 14 + [3]
    np.testing.assert_array_equal(torch.cat([part.order_statistic(3) for part in parts]), whole.order_statistic(3))
