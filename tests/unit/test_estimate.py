"""A dry run's time: measured or taken from an earlier run, with its basis."""

from __future__ import annotations

import pytest

from wgan.commands.dry_run import _in_words
from wgan.config import RetrainConfig
from wgan.config_reading import load_config
from wgan.settings import Settings
from wgan.steps.estimate import by_earlier, by_measuring
from wgan.tracking.earlier_runs import RunTimes, workload
from wgan.training.duration import StepTimes, seconds_of_training

EARLIER = RunTimes(training=480.0, evaluation=60.0, whole=570.0, generator_steps=1200)
STEPS = StepTimes(
    critic=0.02,
    generator=0.1,
    critic_steps=40,
    generator_steps=1,
    seconds=3.6,
    precision="float32",
    will_be_compiled=False,
)


def words(settings: Settings, *, measured: bool = False) -> list[str]:
    estimate = by_measuring(600.0, 30.0, STEPS, "with 2 threads") if measured else by_earlier(EARLIER, 1200, "X")
    return _in_words(estimate, settings)


def config(**training: object) -> RetrainConfig:
    base = load_config("digits")
    return base.model_copy(update={"training": base.training.model_copy(update=training)})


def test_an_earlier_run_of_the_same_length_is_taken_as_it_was() -> None:
    estimate = by_earlier(EARLIER, 1200, "AMD EPYC, 2 threads")
    assert (estimate.training_seconds, estimate.evaluation_seconds, estimate.rest_seconds) == (480, 60, 30)
    assert estimate.seconds == 570
    assert estimate.basis == ("as the last run of this configuration took on a machine like this (AMD EPYC, 2 threads)")


def test_in_a_longer_run_only_the_training_takes_longer() -> None:
    estimate = by_earlier(EARLIER, 2400, "X")
    assert (estimate.training_seconds, estimate.seconds) == (960, 1050)
    assert "took for 1,200 generator steps, in proportion, on" in estimate.basis


def test_critic_steps_are_multiplied_by_their_number() -> None:
    training = config(generator_steps=1000, n_critic=5).training
    assert seconds_of_training(STEPS, training) == pytest.approx(1000 * 0.1 + 5000 * 0.02)


def test_the_published_schedule_has_more_critic_steps_at_its_beginning() -> None:
    training = config(generator_steps=26, n_critic=5, critic_schedule="published").training
    assert seconds_of_training(STEPS, training) == pytest.approx(26 * 0.1 + (25 * 100 + 5) * 0.02)


def test_a_measured_estimate_names_its_steps_and_threads() -> None:
    estimate = by_measuring(200.0, None, STEPS, "with 1 thread")
    assert (estimate.seconds, estimate.rest_seconds) == (200, None)
    assert estimate.basis == (
        "measured now: 40 critic and 1 generator step of the real networks on this machine with 1 thread, in 4 s"
    )


def test_an_estimate_from_an_earlier_run_names_it() -> None:
    assert words(Settings()) == [
        "It takes about 10 min: training 8 min, evaluation 60 s, the rest 30 s.",
        "  As the last run of this configuration took on a machine like this (X).",
    ]


def test_unknown_parts_are_not_counted_and_named() -> None:
    first, _ = words(Settings(), measured=True)
    assert first == (
        "It takes about 10 min: training 10 min, evaluation 30 s; the rest not included, because only a finished run "
        "shows it."
    )


def test_with_a_price_the_cost_is_shown() -> None:
    assert words(Settings(price_per_hour="2.50 EUR"))[-1] == "It costs about 0.40 EUR, at 2.50 EUR an hour."


@pytest.mark.parametrize(
    "training", [{"batch_size": 32}, {"n_critic": 4}, {"precision": "bf16"}, {"objective": "wgan-gp"}]
)
def test_settings_that_change_the_duration_change_the_workload(training: dict[str, object]) -> None:
    assert workload(config(**training), "X") != workload(config(), "X")


@pytest.mark.parametrize("training", [{"seed": 7}, {"lr": 1e-3}, {"generator_steps": 5}])
def test_seed_rate_and_number_of_steps_do_not_change_the_workload(training: dict[str, object]) -> None:
    assert workload(config(**training), "X") == workload(config(), "X")


def test_another_processor_changes_the_workload() -> None:
    assert workload(config(), "X") != workload(config(), "Y")
