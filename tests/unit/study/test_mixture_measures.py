"""Modes, quality and distances of points in the plane, against closed forms and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from wgan.study.mixtures import HIGH_QUALITY_SDS, MixtureName, measure_points, mixture, nearest_modes, wasserstein


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
@pytest.mark.parametrize("widening", [1.0, 4.0])
def test_the_mixture_itself_covers_every_mode_with_the_quality_of_a_gaussian(
    name: MixtureName, modes: int, widening: float
) -> None:
    of = mixture(name, widening)
    measured = measure_points(of.draw(20_000, draw()), of, draw(1))
    assert measured["modes"] == modes
    # A round Gaussian in the plane has exp(−9/2) of its mass beyond three deviations.
    assert measured["high_quality"] == pytest.approx(1 - np.exp(-(HIGH_QUALITY_SDS**2) / 2), abs=0.003)
    # (K − 1) / 2N is the expected divergence of a sample of the distribution itself.
    assert measured["reverse_kl"] == pytest.approx((modes - 1) / 40_000, abs=0.001)


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_both_coordinates_have_unit_variance(name: MixtureName) -> None:
    np.testing.assert_allclose(mixture(name, 4.0).draw(50_000, draw()).var(axis=0), 1.0, atol=0.02)


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
def test_one_mode_alone_has_a_divergence_of_ln_k(name: MixtureName, modes: int) -> None:
    of = mixture(name)
    measured = measure_points(np.repeat(of.centres[3:4], 100, axis=0), of, draw())
    assert (measured["modes"], measured["high_quality"]) == (1.0, 1.0)
    assert measured["reverse_kl"] == pytest.approx(np.log(modes))


def test_a_point_has_high_quality_within_three_deviations_of_its_mode() -> None:
    of = mixture("grid")
    offsets = np.array([[0.0], [2.99], [3.01]]) * of.sd * np.array([[1.0, 0.0]])
    modes, good = nearest_modes(of.centres[12] + offsets, of)
    assert modes.tolist() == [12, 12, 12]
    assert good.tolist() == [True, True, False]


def test_points_between_the_modes_cover_none() -> None:
    of = mixture("ring")
    assert measure_points(np.zeros((50, 2)), of, draw())["modes"] == 0


def test_the_distance_of_a_shifted_sample_is_the_shift() -> None:
    points = draw().standard_normal((200, 2))
    assert wasserstein(points, points) == 0
    assert wasserstein(points, points + np.array([3.0, 4.0])) == pytest.approx(5.0)


def test_on_a_line_the_distance_agrees_with_scipy() -> None:
    first, second = draw(1).normal(0, 1, 300), draw(2).normal(2, 3, 300)
    assert wasserstein(first[:, None], second[:, None]) == pytest.approx(wasserstein_distance(first, second))
