"""Measures how long a step with a run's shapes takes on this machine, on throwaway networks and images."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wgan.config import RetrainConfig
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.device import device_name
from wgan.training.graphs import WARM_UP
from wgan.training.inputs import StepInputs
from wgan.training.objectives import objective_of
from wgan.training.runner import Execution, StepRunner
from wgan.training.state import new_state
from wgan.training.world import ALONE

LEAST_SAMPLES, ENOUGH_SECONDS = 3, 0.5


class RandomImages:
    """One batch of noise images: the pixel values do not affect the cost."""

    def __init__(self, count: int, channels: int, image_size: int) -> None:
        self.count, self.channels, self.image_size = count, channels, image_size
        shape = (count, channels, image_size, image_size)
        self.images = np.random.Generator(np.random.Philox(0)).integers(0, 256, shape, dtype=np.uint8)

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images at `indices`."""
        return self.images[indices]


def critic_step_seconds(
    config: RetrainConfig,
    device: torch.device,
    execution: Execution,
    cache: Path | None = None,
    least_samples: int = LEAST_SAMPLES,
) -> float:
    """Median seconds of a critic step of the configuration; cached if it was measured before.

    Measurements with fewer samples than a run takes are not cached.
    """
    file = cache / "step-seconds" / f"{_key(config, device, execution)}.json" if cache else None
    with suppress(OSError, ValueError, KeyError, TypeError):  # missing, or not a file of ours
        if file is not None:
            return float(json.loads(file.read_text())["seconds"])
    seconds = _measure(config, device, execution, least_samples)
    if file is not None and least_samples >= LEAST_SAMPLES:
        with suppress(OSError):  # a full or read-only disk must not fail a training
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_suffix(f".{os.getpid()}")
            aside.write_text(
                json.dumps({"seconds": seconds, "device": device_name(device), "precision": execution.precision})
            )
            aside.replace(file)
    return seconds


def _measure(config: RetrainConfig, device: torch.device, execution: Execution, least_samples: int) -> float:
    data, training = config.data, config.training
    images = RandomImages(training.batch_size, data.channels, data.image_size)
    order = DataOrder(images.count, training.batch_size, training.seed, ALONE)
    inputs = StepInputs(config, RealBatches(images, order, device), device)
    runner = StepRunner(new_state(config, device), objective_of(training), inputs, execution)
    for step in range(WARM_UP + 1 if execution.captured else 1):
        runner.critic(step)
    samples: list[float] = []
    while len(samples) < least_samples or sum(samples) < ENOUGH_SECONDS:
        wait_for_device(device)
        start = time.perf_counter()
        runner.critic(len(samples))
        wait_for_device(device)
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def wait_for_device(device: torch.device) -> None:
    """Block until the device has finished its queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _key(config: RetrainConfig, device: torch.device, execution: Execution) -> str:
    training, data = config.training, config.data
    shaping = {
        "device": device_name(device),
        "torch": torch.__version__,
        "precision": [execution.precision, execution.captured, training.tf32],
        "networks": config.networks.model_dump(),
        "images": [training.batch_size, data.channels, data.image_size],
        "step": [training.objective, training.optimizer],
    }
    return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:32]
