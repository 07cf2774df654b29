"""Memorisation against scipy's Mann–Whitney statistic and brute force; nearest training images."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from wgan.evaluation.metrics.memorisation import memorisation, nearest_neighbours


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def distances(vectors: NDArray[np.float64], training: NDArray[np.float64]) -> NDArray[np.float64]:
    return nearest_neighbours(vectors, training).distances[:, 0]


def test_agrees_with_scipys_mann_whitney_statistic() -> None:
    generated, held_out = normal(0, 150), normal(1, 90) + 0.3
    # U₁ of (held_out, generated) counts the pairs whose held-out value is the larger one.
    expected = mannwhitneyu(held_out, generated).statistic / (150 * 90)
    assert memorisation(generated, held_out) == pytest.approx(expected, abs=1e-12)


def test_ties_count_half_as_in_brute_force() -> None:
    draw = np.random.default_rng(2)
    generated, held_out = draw.integers(0, 5, 40).astype(float), draw.integers(0, 5, 30).astype(float)
    pairs = [(g < h) + 0.5 * (g == h) for g in generated for h in held_out]
    assert memorisation(generated, held_out) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert memorisation(generated, held_out) == pytest.approx(
        mannwhitneyu(held_out, generated).statistic / (40 * 30), abs=1e-12
    )


def test_real_images_are_at_one_half_copies_at_one_and_implausible_ones_at_zero() -> None:
    training, held_out = normal(3, 2000, 6), normal(4, 1000, 6)
    unseen = distances(held_out, training)
    assert memorisation(unseen, unseen) == pytest.approx(0.5, abs=1e-12)
    assert memorisation(distances(normal(5, 1000, 6), training), unseen) == pytest.approx(0.5, abs=0.04)
    assert memorisation(distances(training[:1000], training), unseen) == 1.0
    assert memorisation(distances(normal(6, 1000, 6) + 50, training), unseen) == 0.0


def test_half_a_sample_of_copies_is_at_three_quarters() -> None:
    training, held_out = normal(7, 2000, 6), normal(8, 2000, 6)
    half = np.concatenate([training[:1000], normal(9, 1000, 6)])
    assert memorisation(distances(half, training), distances(held_out, training)) == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("block_elements", [1, 777, 10**9])
def test_the_nearest_training_images_are_those_of_brute_force(block_elements: int) -> None:
    training, vectors = normal(10, 80, 5) + 3, normal(11, 33, 5) + 3
    between = cdist(vectors, training)
    found = nearest_neighbours(vectors, training, 4, block_elements=block_elements)
    np.testing.assert_array_equal(found.indices, between.argsort(axis=1)[:, :4])
    np.testing.assert_allclose(found.distances, np.sort(between, axis=1)[:, :4], rtol=1e-12)


def test_a_copy_is_at_distance_exactly_zero_even_far_from_the_origin() -> None:
    training = (normal(12, 300, 8) + 1e4).astype(np.float32)
    found = nearest_neighbours(training[:50], training)
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(50))
    np.testing.assert_array_equal(found.distances, 0)


@pytest.mark.parametrize("count", [0, 11])
def test_more_neighbours_than_training_images_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="count must lie in"):
        nearest_neighbours(normal(0, 3, 2), normal(1, 10, 2), count)
