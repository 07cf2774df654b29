"""Turns a device's out-of-memory error into one sentence that names the batch size that would fit."""

from __future__ import annotations

import gc

import torch

from wgan.config import RetrainConfig
from wgan.errors import WganError
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.device import Precision
from wgan.training.execution import is_ours
from wgan.training.graphs import WARM_UP
from wgan.training.inputs import StepInputs
from wgan.training.objectives import objective_of
from wgan.training.runner import Execution, StepRunner
from wgan.training.state import new_state
from wgan.training.trial import RandomImages
from wgan.training.world import ALONE

PROBES = (8, 16)
"""Batch sizes whose memory is measured; a step needs a fixed amount plus an amount per image."""
LESS = 0.85
"""Factor for the next try after a batch size did not fit: fragmented memory is not all usable."""


def out_of_memory(config: RetrainConfig, device: torch.device) -> WganError:
    """The error to raise in place of torch's; on CUDA it names a batch size that fits.

    Call it once the tensors of the failed step are freed, and with them the frames of torch's error.
    """
    size = config.training.batch_size
    fits = batch_that_fits(config, device) if device.type == "cuda" else None
    advice = f"set training.batch_size={fits}" if fits else "set a smaller training.batch_size or networks.width"
    return WganError(f"the memory of {device} is too small for training.batch_size={size}: {advice}.")


def batch_that_fits(config: RetrainConfig, device: torch.device) -> int | None:
    """A batch size below the configured one, a multiple of 8, that was tried and fits; None if not even 8 does."""
    try:
        small, large = (_peak(config, device, size) for size in PROBES)
    except torch.OutOfMemoryError:
        return None
    per_image = max((large - small) / (PROBES[1] - PROBES[0]), 1.0)
    fixed = small - per_image * PROBES[0]
    candidate = min((_free(device) - fixed) / per_image, config.training.batch_size - 1)
    while (size := int(candidate) // 8 * 8) >= PROBES[0]:
        try:
            _peak(config, device, size)
        except torch.OutOfMemoryError:
            candidate = size * LESS
        else:
            return size
    return None


def _free(device: torch.device) -> float:
    _empty()
    free, total = torch.cuda.mem_get_info(device)
    limit = torch.cuda.get_per_process_memory_fraction(device) * total - torch.cuda.memory_reserved(device)
    return min(float(free), limit)


def _empty() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def _peak(config: RetrainConfig, device: torch.device, size: int) -> int:
    """Peak device memory, in bytes, of the first training steps at this batch size."""
    _empty()
    before = torch.cuda.memory_reserved(device)
    torch.cuda.reset_peak_memory_stats(device)
    data = config.data
    smaller = config.model_copy(update={"training": config.training.model_copy(update={"batch_size": size})})
    order = DataOrder(size, size, config.training.seed, ALONE)
    images = RealBatches(RandomImages(size, data.channels, data.image_size), order, device)
    inputs = StepInputs(smaller, images, device)
    precision: Precision = "float32" if config.training.precision == "float32" else "bf16"
    execution = Execution(precision, captured=is_ours(config))
    runner = StepRunner(new_state(smaller, device), objective_of(config.training), inputs, execution)
    for step in range(WARM_UP + 2):
        runner.critic(step)
        runner.generator(step)
    return torch.cuda.max_memory_reserved(device) - before
