"""How long a training takes here: a few real steps of its networks, timed on images that are thrown away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wgan.config import RetrainConfig, TrainingConfig
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.device import Precision, arithmetic, device_name, limit_threads, resolve_device
from wgan.training.execution import choose_execution
from wgan.training.graphs import WARM_UP
from wgan.training.inputs import StepInputs
from wgan.training.memory import out_of_memory
from wgan.training.objectives import objective_of
from wgan.training.runner import Execution, StepRunner
from wgan.training.sampling import generate_images
from wgan.training.state import TrainingState, new_state
from wgan.training.steps import critic_steps_before
from wgan.training.trial import RandomImages, wait_for_device
from wgan.training.world import ALONE

MOST_CRITIC_STEPS = 5
"""Critic steps that are timed for each generator step."""


@dataclass(frozen=True)
class StepTimes:
    """Mean seconds of a step of each kind, and what they were measured on."""

    critic: float
    generator: float
    critic_steps: int
    """So many were timed."""
    generator_steps: int
    seconds: float
    """What all of them took, without warming up."""
    precision: Precision
    will_be_compiled: bool
    """The run compiles its networks, the measured steps did not: it is faster than these."""


@dataclass(frozen=True)
class Measured:
    """What was timed, and the untrained generator it was timed with."""

    steps: StepTimes
    draw: Callable[[int, int], NDArray[np.uint8]]
    """(seed, count) → images (count, C, H, W), uint8."""


def processor_of(device: str) -> str:
    """What computes on this setting of the device, in words: `AMD EPYC, 2 threads`. Raises `UsageError`."""
    limit_threads()
    return device_name(resolve_device(device))


def threads() -> int:
    """torch's threads in this process."""
    return torch.get_num_threads()


def measure_steps(config: RetrainConfig, device_setting: str, cache: Path | None, seconds: float) -> Measured:
    """Time steps of the configuration as a run would take them, for about so many seconds.

    `cache` holds the timings that precisions are chosen by, where there are any. At least one step of each kind is
    timed, after some that are not, unless the first ones take all the time there is. Raises `UsageError` as a training
    would, `WganError` if the memory is short.
    """
    limit_threads()
    device = resolve_device(device_setting)
    with arithmetic(device, config.training.tf32):
        try:
            state = new_state(config, device)
            times = _timed(config, state, device, cache, seconds)
        except torch.OutOfMemoryError:
            pass
        else:
            return Measured(times, lambda seed, count: generate_images(state.generator, seed, count, device))
        raise out_of_memory(config, device)


def seconds_of_training(times: StepTimes, training: TrainingConfig) -> float:
    """All steps of a run at the measured pace."""
    return training.generator_steps * times.generator + _critic_steps(training) * times.critic


def _critic_steps(training: TrainingConfig) -> int:
    if training.critic_schedule == "constant":
        return training.generator_steps * training.n_critic
    return sum(critic_steps_before(step, training) for step in range(training.generator_steps))


def _timed(
    config: RetrainConfig, state: TrainingState, device: torch.device, cache: Path | None, seconds: float
) -> StepTimes:
    data, training = config.data, config.training
    chosen = choose_execution(config, device, ALONE, _critic_steps(training), None, cache, least_samples=1)
    images = RandomImages(training.batch_size, data.channels, data.image_size)
    order = DataOrder(images.count, training.batch_size, training.seed, ALONE)
    inputs = StepInputs(config, RealBatches(images, order, device), device)
    # Compiling takes longer than anybody waits for an estimate.
    execution = Execution(chosen.precision, chosen.captured)
    runner = StepRunner(state, objective_of(training), inputs, execution)
    step = 0

    def take(kind: Callable[[int], object]) -> float:
        nonlocal step
        wait_for_device(device)
        began = time.perf_counter()
        kind(step)
        wait_for_device(device)
        step += 1
        return time.perf_counter() - began

    critic, generator = [take(runner.critic)], [take(runner.generator)]
    if sum(critic) + sum(generator) < seconds:
        for _ in range(WARM_UP if chosen.captured else 0):
            take(runner.critic)
            take(runner.generator)
        critic, generator = [take(runner.critic)], [take(runner.generator)]
    while sum(critic) + sum(generator) < seconds:
        critic += [take(runner.critic) for _ in range(min(training.n_critic, MOST_CRITIC_STEPS))]
        generator.append(take(runner.generator))
    return StepTimes(
        critic=sum(critic) / len(critic),
        generator=sum(generator) / len(generator),
        critic_steps=len(critic),
        generator_steps=len(generator),
        seconds=sum(critic) + sum(generator),
        precision=chosen.precision,
        will_be_compiled=chosen.compiled,
    )
