"""Estimates how long a run takes: from an earlier run of the same work, or from a few steps measured now."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wgan.config import RetrainConfig
from wgan.durations import counted, spoken
from wgan.errors import WganError
from wgan.evaluation.duration import seconds_of_evaluation
from wgan.records import Record
from wgan.settings import Settings
from wgan.tracking.earlier_runs import RunTimes, find_earlier
from wgan.training.device import resolve_device
from wgan.training.duration import StepTimes, measure_steps, processor_of, seconds_of_training, threads

MEASURED_SECONDS = 4.0
"""Seconds spent timing steps, in addition to warm-up and the parts of the evaluation."""


class Estimate(Record):
    """The estimated duration of a run, in seconds, and its basis."""

    seconds: float = Field(description="All parts that are known.")
    training_seconds: float
    evaluation_seconds: float | None = Field(description="None where it was not measured.")
    rest_seconds: float | None = Field(description="Data, registration, promotion; None before a first run.")
    source: Literal["earlier run", "measured"]
    basis: str = Field(description="What it rests on, in words.")


def estimate_run(config: RetrainConfig, settings: Settings, *, ask_server: bool, champion: bool) -> Estimate:
    """By the last run of this work on such a machine, where `ask_server` and there is one; else by measuring, for some
    ten seconds.

    `champion`: whether the run would also measure a champion. Raises `UsageError` if the configuration or the device
    cannot be used for training, `WganError` if the device has too little memory.
    """
    processor = processor_of(settings.device)
    earlier = None
    if ask_server:
        try:
            earlier = find_earlier(config, processor, settings)
        except WganError:  # fall back to measuring
            earlier = None
    if earlier is not None:
        return by_earlier(earlier, config.training.generator_steps, processor)
    device = resolve_device(settings.device)
    cache = settings.cache if settings.cache.is_dir() else None  # a dry run creates no folder
    measured = measure_steps(config, settings.device, cache, MEASURED_SECONDS)
    evaluation = seconds_of_evaluation(config, measured.draw, str(device), champion=champion)
    training = seconds_of_training(measured.steps, config.training)
    where = f"with {counted(threads(), 'thread')}" if device.type == "cpu" else f"on {processor}"
    return by_measuring(training, evaluation, measured.steps, where)


def by_earlier(earlier: RunTimes, generator_steps: int, processor: str) -> Estimate:
    """The earlier run's times, with the training time scaled to the number of steps."""
    training = earlier.training * generator_steps / earlier.generator_steps
    rest = max(0.0, earlier.whole - earlier.training - earlier.evaluation)
    steps = counted(earlier.generator_steps, "generator step")
    scaled = "" if generator_steps == earlier.generator_steps else f" for {steps}, in proportion,"
    return Estimate(
        seconds=training + earlier.evaluation + rest,
        training_seconds=training,
        evaluation_seconds=earlier.evaluation,
        rest_seconds=rest,
        source="earlier run",
        basis=f"as the last run of this configuration took{scaled} on a machine like this ({processor})",
    )


def by_measuring(training: float, evaluation: float | None, steps: StepTimes, where: str) -> Estimate:
    """The sum of the measured parts; the rest of a run is unknown."""
    kinds = f"{steps.critic_steps:,} critic and {counted(steps.generator_steps, 'generator step')}"
    compiled = "; a run compiles its networks, which makes it faster" if steps.will_be_compiled else ""
    return Estimate(
        seconds=training + (evaluation or 0.0),
        training_seconds=training,
        evaluation_seconds=evaluation,
        rest_seconds=None,
        source="measured",
        basis=f"measured now: {kinds} of the real networks on this machine {where}, in {spoken(steps.seconds)}"
        f"{compiled}",
    )
