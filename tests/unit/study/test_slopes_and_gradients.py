"""The slopes of claim 3 and the layer gradients of claim 7, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wgan.study.clip_value import judge, layer_gradients
from wgan.study.networks import HE_GAIN, Scorer, initialise_linear
from wgan.study.vanishing_gradients import (
    AXIS,
    FAKE,
    REAL,
    SD,
    optimal_discriminator,
    optimal_slope,
    slope_share,
)


def test_the_optimal_discriminator_is_the_ratio_of_densities() -> None:
    x = np.linspace(-1, 1, 21)
    real, fake = (np.exp(-((x - mean) ** 2) / (2 * SD**2)) for mean in (REAL, FAKE))
    np.testing.assert_allclose(optimal_discriminator(x), real / (real + fake), rtol=1e-9)


def test_its_slope_is_the_derivative() -> None:
    x, h = np.linspace(-0.5, 0.5, 21), 1e-6
    differences = (optimal_discriminator(x + h) - optimal_discriminator(x - h)) / (2 * h)
    np.testing.assert_allclose(optimal_slope(x), differences, rtol=1e-5, atol=1e-6)


def test_at_the_generated_mean_the_optimal_slope_is_e_to_the_minus_72_of_its_largest() -> None:
    # The logit of D* at 3 is −6² / (2 · 0.5²) = −72; dD*/dx is D*(1 − D*) times a constant, at most 1/4 of it.
    share = slope_share(optimal_discriminator(AXIS), optimal_slope(AXIS), np.array([FAKE]))
    assert share == pytest.approx(4 * np.exp(-72), rel=0.01)


def test_a_straight_line_keeps_its_whole_slope() -> None:
    assert slope_share(2 * AXIS, np.full_like(AXIS, 2.0), np.array([FAKE])) == 1.0


def test_layer_gradients_of_a_chain_of_ones_are_known() -> None:
    # Width 1, all weights w, positive inputs: after k of n hidden layers the gradient of the mean is w^(n−k+1) / N.
    critic, w, count = Scorer(1, 1, 3), 0.5, 4
    with torch.no_grad():
        for name, parameter in critic.named_parameters():
            parameter.fill_(w if name.endswith("weight") else 0.0)
    norms = layer_gradients(critic, torch.ones(count, 1), torch.full((count, 1), 2.0))
    one = np.sqrt(2 * count) / count
    np.testing.assert_allclose(norms, [w**3 * one, w**2 * one, w * one], rtol=1e-12)


def test_a_small_clip_value_kills_the_gradient_layer_by_layer() -> None:
    critic = Scorer(2, 64, 8)
    initialise_linear(critic, torch.Generator().manual_seed(0), HE_GAIN)
    points = torch.randn(100, 2, generator=torch.Generator().manual_seed(1))
    before = layer_gradients(critic, points, points + 1)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.clamp_(-0.01, 0.01)
    after = layer_gradients(critic, points, points + 1)
    assert 0.1 < before[0] / before[-1] < 10
    assert after[0] / after[-1] < 1e-4


def test_the_clip_claim_holds_when_gradients_vanish_under_the_small_bound_alone() -> None:
    measured = {
        "c = 0.01": {"norms": [1e-3, 1.0], "clip_share": 0.9},
        "c = 1": {"norms": [1e3, 1.0], "clip_share": 0.0},
        "gradient penalty": {"norms": [2.0, 1.0], "clip_share": 0.0},
    }
    assert judge(measured)[1]
    assert not judge(measured | {"gradient penalty": {"norms": [1e-3, 1.0], "clip_share": 0.0}})[1]
