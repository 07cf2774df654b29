"""Estimates how long training takes on this machine: times a few real steps of its networks on random images."""

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
"""Critic steps timed per generator step."""


@dataclass(frozen=True)
class StepTimes:
    """Mean seconds of a step of each kind, and the device they were measured on."""

    critic: float
    generator: float
    critic_steps: int
    """How many steps were timed."""
    generator_steps: int
    seconds: float
    """Their total seconds, without warm-up."""
    precision: Precision
    will_be_compiled: bool
    """Whether the run compiles its networks; the measured steps did not, so the run is faster."""


@dataclass(frozen=True)
class Measured:
    """The step times, and the untrained generator they were measured with."""

    steps: StepTimes
    draw: Callable[[int, int], NDArray[np.uint8]]
    """(seed, count) → images (count, C, H, W), uint8."""


def processor_of(device: str) -> str:
    """The processor behind a device setting, such as `AMD EPYC, 2 threads`. Raises `UsageError`."""
    limit_threads()
    return device_name(resolve_device(device))


def threads() -> int:
    """The number of torch's threads in this process."""
    return torch.get_num_threads()


def measure_steps(config: RetrainConfig, device_setting: str, cache: Path | None, seconds: float) -> Measured:
    """Time steps of the configuration, executed as in a run, for about `seconds`.

    `cache` holds the timings that the precision is chosen by, if there are any. At least one step of each kind is timed
    after warm-up steps, unless those use up the time. Raises `UsageError` as a training would, `WganError` if memory is
    short.
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
    """Seconds for all steps of a run at the measured speed."""
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
    # Compiling takes too long for an estimate.
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
