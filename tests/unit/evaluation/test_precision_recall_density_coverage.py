"""Precision, recall, density and coverage against a brute-force computation and their expected values."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from wgan.evaluation.metrics.prdc import Prdc, prdc, squared_radii


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def brute_force(real: NDArray[np.float64], generated: NDArray[np.float64], k: int) -> Prdc:
    """Straight from the definitions, with loops over scipy's distances."""
    real_radius = [sorted(row)[k] for row in cdist(real, real)]
    generated_radius = [sorted(row)[k] for row in cdist(generated, generated)]
    between = cdist(real, generated)
    inside = [[between[i, j] <= real_radius[i] for j in range(len(generated))] for i in range(len(real))]
    precise = [any(inside[i][j] for i in range(len(real))) for j in range(len(generated))]
    reached = [any(between[i, j] <= generated_radius[j] for j in range(len(generated))) for i in range(len(real))]
    return Prdc(
        precision=float(np.mean(precise)),
        recall=float(np.mean(reached)),
        density=float(np.sum(inside)) / (k * len(generated)),
        coverage=float(np.mean([any(row) for row in inside])),
    )


@pytest.mark.parametrize(
    ("seed", "k", "real_count", "generated_count"), [(0, 1, 40, 40), (1, 5, 60, 90), (2, 3, 90, 25)]
)
def test_agrees_with_brute_force(seed: int, k: int, real_count: int, generated_count: int) -> None:
    real, generated = normal(seed, real_count, 3), 1.3 * normal(seed + 50, generated_count, 3) + 0.4
    found, expected = prdc(real, generated, k), brute_force(real, generated, k)
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-12), name


def test_blocks_of_any_size_equal_the_whole() -> None:
    real, generated = normal(3, 101, 4), normal(4, 97, 4)
    assert prdc(real, generated, 5, block_elements=1) == prdc(real, generated, 5, block_elements=10**9)


def test_the_same_distribution_has_density_one_and_coverage_one_minus_two_to_the_minus_k() -> None:
    # Naeem et al. 2020, lemma 1: E[density] = 1, E[coverage] → 1 − 2^−k (their equation 10) for N = M.
    found = prdc(normal(5, 4000, 8), normal(6, 4000, 8), 5)
    assert found.density == pytest.approx(1.0, abs=0.05)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.01)


def test_identical_sets_are_wholly_precise_recalled_and_covered() -> None:
    vectors = normal(7, 300, 6)
    found = prdc(vectors, vectors, 5)
    assert (found.precision, found.recall, found.coverage) == (1.0, 1.0, 1.0)


def test_a_collapsed_generator_is_precise_but_neither_recalls_nor_covers() -> None:
    real = normal(8, 1000, 8)
    around_one_image = real[0] + 1e-3 * normal(9, 1000, 8)
    found = prdc(real, around_one_image, 5)
    assert found.precision == 1.0
    assert found.recall < 0.01
    assert found.coverage < 0.05


def test_a_generator_far_away_scores_nothing() -> None:
    assert prdc(normal(10, 200, 4), normal(11, 200, 4) + 100, 5) == Prdc(0.0, 0.0, 0.0, 0.0)


def test_images_that_are_all_equal_give_finite_numbers() -> None:
    found = prdc(normal(12, 50, 4), np.ones((50, 4)), 5)
    assert all(np.isfinite([found.precision, found.recall, found.density, found.coverage]))
    assert found.recall == 0.0


def test_features_far_from_the_origin_give_the_same_numbers() -> None:
    real, generated = normal(13, 200, 4), normal(14, 200, 4)
    assert prdc(real + 1e5, generated + 1e5, 5) == prdc(real, generated, 5)


@pytest.mark.parametrize("neighbours", [0, 10])
def test_more_neighbours_than_other_points_are_refused(neighbours: int) -> None:
    with pytest.raises(ValueError, match="neighbours"):
        prdc(normal(0, 10, 2), normal(1, 20, 2), neighbours)


def test_known_radii_of_the_real_side_give_the_same_numbers() -> None:
    real, generated = normal(15, 120, 4), normal(16, 100, 4) + 0.5
    assert prdc(real, generated, 5, real_radii=squared_radii(real, 5)) == prdc(real, generated, 5)


def test_a_radius_reaches_to_the_kth_nearest_other_point() -> None:
    points = normal(17, 60, 3)
    expected = [sorted(row)[4] ** 2 for row in cdist(points, points)]
    np.testing.assert_allclose(squared_radii(points, 4), expected, rtol=1e-10)
