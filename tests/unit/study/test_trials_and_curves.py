"""Trials are reproducible, in this process and in others; curves, correlations and stacked digits are what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from wgan.errors import UsageError
from wgan.evaluation.metrics.modes import modes_captured, reverse_kl
from wgan.study.baselines import in_the_plane, on_images
from wgan.study.critic_optimizer import failed, spread
from wgan.study.meaningful_estimate import watched_correlation
from wgan.study.parallel import run_trials
from wgan.study.sizes import TINY, parse_claims
from wgan.study.stacked import StackedTriples, modes_of
from wgan.study.trials import ImageTrial, PointTrial, TrialResult, real_points, run_trial
from wgan.study.variants import median_filtered, point_trial, variant


def point(seed: int = 0, objective: str = "wgan", **changes: object) -> PointTrial:
    return point_trial("WGAN", TINY, "grid", in_the_plane(objective, TINY, seed, **changes))


def test_a_trial_is_a_function_of_its_seed() -> None:
    first, again, other = (run_trial(point(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.last_samples(), again.last_samples())
    assert first.curves == again.curves
    assert not np.array_equal(first.last_samples(), other.last_samples())


def test_parallel_trials_give_the_numbers_of_this_process_in_the_trials_order() -> None:
    trials = [point(seed) for seed in range(3)]
    heard: list[int] = []
    results = run_trials(trials, lambda done, result: heard.append(done), workers=2)
    assert heard == [1, 2, 3]
    for trial, result in zip(trials, results, strict=True):
        assert result.trial == trial
        np.testing.assert_array_equal(result.last_samples(), run_trial(trial).last_samples())


def test_an_exception_of_the_listener_ends_all_trials() -> None:
    def interrupted(done: int, result: TrialResult) -> None:
        raise KeyboardInterrupt

    endless = [point(), *(point(seed, generator_steps=10_000_000) for seed in (1, 2, 3))]
    with pytest.raises(KeyboardInterrupt):
        run_trials(endless, interrupted, workers=2)


def test_a_divergence_is_an_outcome() -> None:
    result = run_trial(point(objective="wgan-gp", gradient_penalty=1e39))  # beyond float32
    assert result.diverged is not None
    assert "diverged" in result.diverged
    assert failed(result)
    assert spread([result]) == float("inf")


def test_spread_is_the_deviation_of_the_second_half() -> None:
    result = TrialResult(point(), curves={step: {"distance": float(value)} for step, value in enumerate([9, 9, 1, 3])})
    assert spread([result]) == 1.0


def test_a_variant_has_the_curves_at_the_measured_steps() -> None:
    result = run_trial(point())
    kept = variant(result, {})
    assert kept.steps == (2, 4, 6)
    assert kept.curves["critic_loss"] == tuple(result.history["critic_loss"][[1, 3, 5]].tolist())
    assert kept.metrics["modes"] == result.last()["modes"]
    assert kept.parameters["objective"] == "wgan"


def test_real_batches_differ_from_step_to_step() -> None:
    assert not np.array_equal(real_points(point(), 0), real_points(point(), 1))


def test_the_running_median_looks_back_only() -> None:
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


@pytest.mark.parametrize("architecture", ["dcgan", "plain", "mlp"])
def test_every_generator_trains_on_images_by_algorithm_1(architecture: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 1, 32, 32), generator=generator, dtype=torch.uint8).numpy()
    np.save(tmp_path / "images.npy", images)
    trial = ImageTrial("x", on_images("wgan", 2, 0), tmp_path, architecture, 4, 8, 5, 1)  # type: ignore[arg-type]
    result = run_trial(trial)
    assert result.samples.keys() == {1, 2}
    assert result.last_samples().shape == (5, 1, 32, 32)
    assert result.last_samples().dtype == np.uint8
    assert result.history.keys() == {"critic_loss", "wasserstein_estimate", "generator_loss"}
    assert 0 < result.clip_share < 1


def test_claims_are_numbers_in_range() -> None:
    assert parse_claims("7, 3,3", 7) == (3, 7)


@pytest.mark.parametrize("text", ["0", "8", "1;2", "", "three"])
def test_other_claims_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="give numbers from 1 to 7"):
        parse_claims(text, 7)
