"""The trainings of the study: reproducible, in this process and in others; a divergence is a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.study.example_trial import point
from wgan.errors import TrainingDiverged
from wgan.study.baselines import on_images
from wgan.study.clip_value import judge, measure_critic
from wgan.study.critic_optimizer import failed, spread
from wgan.study.parallel import run_trials
from wgan.study.sizes import SHORT, TINY
from wgan.study.trials import ImageTrial, TrialResult, run_trial
from wgan.study.vanishing_gradients import train_to_optimum
from wgan.study.variants import variant


def test_a_trial_is_a_function_of_its_seed() -> None:
    first, again, other = (run_trial(point(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.last_samples(), again.last_samples())
    assert first.curves == again.curves
    assert not np.array_equal(first.last_samples(), other.last_samples())


def test_a_falling_learning_rate_begins_with_the_full_rate_and_then_falls() -> None:
    def points(steps: int, **changes: object) -> np.ndarray:
        return run_trial(point(generator_steps=steps, **changes)).last_samples()

    np.testing.assert_array_equal(points(1, lr_schedule="linear"), points(1))
    np.testing.assert_array_equal(points(3, lr_schedule="linear", final_lr_share=1.0), points(3))
    assert not np.array_equal(points(3, lr_schedule="linear"), points(3))


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


def test_a_divergence_is_a_result() -> None:
    result = run_trial(point(objective="wgan-gp", gradient_penalty=1e39))  # beyond float32
    assert result.diverged is not None
    assert "diverged" in result.diverged
    assert failed(result)
    assert spread([result]) == float("inf")


def test_a_variant_has_the_curves_at_the_measured_steps() -> None:
    result = run_trial(point())
    kept = variant(result, {})
    assert kept.steps == (2, 4, 6)
    assert kept.curves["critic_loss"] == tuple(result.history["critic_loss"][[1, 3, 5]].tolist())
    assert kept.metrics["modes"] == result.last()["modes"]
    assert kept.parameters["objective"] == "wgan"


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


def test_a_trained_discriminator_goes_flat_and_a_trained_critic_does_not() -> None:
    size = SHORT.model_copy(update={"point_width": 32, "optimum_steps": 300})
    discriminator, critic = (train_to_optimum(way, size, 0)["share"][-1] for way in ("gan", "wgan"))
    assert discriminator < 0.05
    assert critic > 0.1


def test_training_to_the_optimum_is_a_function_of_the_seed() -> None:
    first, again, other = (train_to_optimum("wgan", TINY, seed)["slope"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_deep_critic_that_diverges_says_so_and_the_claim_does_not_hold() -> None:
    with pytest.raises(TrainingDiverged):
        measure_critic(TINY, 0, objective="wgan-gp", gradient_penalty=1e39)  # beyond float32
    whole = {"norms": [1e-9, 1.0], "clip_share": 0.9}
    finding, holds = judge({"c = 0.01": whole, "c = 1": {**whole, "clip_share": 0.0}})
    assert "diverged" in finding
    assert not holds
