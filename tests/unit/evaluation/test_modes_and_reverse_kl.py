"""Modes captured and reverse KL: closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wgan.evaluation.metrics.modes import modes_captured, reverse_kl


@pytest.mark.parametrize("modes", [2, 10, 1000])
def test_a_single_mode_generator_captures_one_mode_at_a_divergence_of_ln_k(modes: int) -> None:
    classes, uniform = np.full(500, modes - 1), np.full(modes, 1 / modes)
    assert modes_captured(classes, uniform) == 1
    assert reverse_kl(classes, uniform) == pytest.approx(math.log(modes))


def test_the_datas_own_proportions_are_at_divergence_zero() -> None:
    classes = np.repeat([0, 1, 2], [50, 30, 20])
    assert reverse_kl(classes, np.array([0.5, 0.3, 0.2])) == pytest.approx(0, abs=1e-12)
    assert modes_captured(classes, np.array([0.5, 0.3, 0.2])) == 3


def test_dropping_half_of_the_classes_costs_ln_two() -> None:
    assert reverse_kl(np.arange(1000) % 5, np.full(10, 0.1)) == pytest.approx(math.log(2))


def test_a_few_misclassified_images_are_not_a_mode() -> None:
    classes = np.concatenate([np.arange(990) % 9, np.full(9, 9)])  # 0.9 % where the data has 10 %
    assert modes_captured(classes, np.full(10, 0.1)) == 9
    assert modes_captured(classes, np.full(10, 0.1), captured_share=0) == 10


def test_a_rare_class_counts_in_proportion_to_its_share() -> None:
    classes = np.repeat([0, 1], [995, 5])
    assert modes_captured(classes, np.array([0.99, 0.01])) == 2
    assert modes_captured(classes, np.array([0.90, 0.10])) == 1


def test_a_real_stacked_mnist_sample_has_a_thousand_modes_and_the_expected_divergence() -> None:
    # 26,000 uniform triples (PacGAN's protocol): all modes, and (K − 1) / 2N = 0.0192 in expectation (Miller 1955).
    classes = np.random.default_rng(0).integers(1000, size=26_000)
    uniform = np.full(1000, 1e-3)
    assert modes_captured(classes, uniform) == 1000
    assert reverse_kl(classes, uniform) == pytest.approx(999 / 52_000, rel=0.1)
