"""Curves, correlations and stacked digits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.unit.study.example_trial import point
from wgan.errors import UsageError
from wgan.evaluation.metrics.modes import modes_captured, reverse_kl
from wgan.study.critic_optimizer import spread
from wgan.study.meaningful_estimate import watched_correlation
from wgan.study.mode_collapse import published_rows
from wgan.study.sizes import MEDIUM, SHORT, parse_claims
from wgan.study.stacked import StackedTriples, modes_of
from wgan.study.trials import TrialResult, real_points
from wgan.study.variants import median_filtered


def test_spread_is_the_deviation_of_the_second_half() -> None:
    result = TrialResult(point(), curves={step: {"distance": float(value)} for step, value in enumerate([9, 9, 1, 3])})
    assert spread([result]) == 1.0


def test_real_batches_differ_from_step_to_step() -> None:
    assert not np.array_equal(real_points(point(), 0), real_points(point(), 1))


def test_the_running_median_uses_only_earlier_values() -> None:
    assert median_filtered([5.0, 1.0, 3.0, 9.0], window=3).tolist() == [5.0, 3.0, 3.0, 3.0]


def test_the_correlation_is_scipys_spearman_of_the_filtered_history() -> None:
    losses = np.random.Generator(np.random.Philox(0)).normal(size=6).astype(np.float32)
    result = TrialResult(point(), history={"wasserstein_estimate": losses}, samples={2: losses, 4: losses, 6: losses})
    frechet = [30.0, 10.0, 20.0]
    expected = spearmanr([np.median(losses[:2]), np.median(losses[:4]), np.median(losses)], frechet).statistic
    assert watched_correlation(result, "wasserstein_estimate", frechet) == pytest.approx(expected)


def test_a_constant_loss_correlates_with_nothing() -> None:
    flat = np.ones(6, dtype=np.float32)
    result = TrialResult(point(), history={"generator_loss": flat}, samples={2: flat, 4: flat, 6: flat})
    assert watched_correlation(result, "generator_loss", [3.0, 2.0, 1.0]) == 0.0


def test_stacked_digits_hold_three_grey_images_each() -> None:
    grey = np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(2, axis=2).repeat(2, axis=3)
    triples = StackedTriples(grey, 1000, seed=4)
    images = triples[np.arange(1000)]
    assert images.shape == (1000, 3, 2, 2)
    assert (images == images[:, :, :1, :1]).all()
    np.testing.assert_array_equal(images[:, :, 0, 0], triples.chosen)


def test_all_thousand_triples_are_a_thousand_modes_and_one_triple_is_one() -> None:
    digits = np.stack(np.meshgrid(*[np.arange(10)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    shares = np.full(1000, 1e-3)
    modes = modes_of(digits)
    assert modes_captured(modes, shares, 0.0) == 1000
    assert reverse_kl(modes, shares) == pytest.approx(0.0, abs=1e-12)
    assert reverse_kl(modes_of(np.full((50, 3), 7)), shares) == pytest.approx(np.log(1000))


def test_claims_are_numbers_in_range() -> None:
    assert parse_claims("7, 3,3", 7) == (3, 7)


@pytest.mark.parametrize("text", ["0", "8", "1;2", "", "three"])
def test_other_claims_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="give numbers from 1 to 7"):
        parse_claims(text, 7)


def test_published_figures_stand_beside_those_of_the_same_protocol_only() -> None:
    labels = {
        (size.name, digits): [label for _, label, *_ in published_rows(size, digits)]
        for size in (SHORT, MEDIUM)
        for digits in ("digits", "mnist")
    }
    stacked = ["DCGAN, published", "WGAN-GP, published", "PacDCGAN2, published"]
    assert labels == {
        ("short", "digits"): [],
        ("short", "mnist"): [],
        ("medium", "digits"): ["GAN, published"],
        ("medium", "mnist"): ["GAN, published", *stacked],
    }
