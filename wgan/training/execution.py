"""Chooses how a run's steps are executed: the precision, compiled or not, captured or not, and why."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import torch

from wgan.config import RetrainConfig
from wgan.training.device import Precision, multiplies_bf16
from wgan.training.runner import Execution
from wgan.training.trial import LEAST_SAMPLES, critic_step_seconds
from wgan.training.world import World

BF16_PAYS = 1.15
"""`precision: auto` takes bf16 if its speedup over float32 is at least this."""
COMPILING_PAYS = 300.0
"""Seconds a run must last to be compiled: compiling takes about forty and saves a third of the rest (on an H100)."""
WORTH_A_TRIAL = 10_000
"""Minimum critic steps; a shorter run ends before compiling could pay off."""


def choose_execution(
    config: RetrainConfig,
    device: torch.device,
    world: World,
    critic_steps_left: int,
    precision: Precision | None,
    cache: Path | None,
    least_samples: int = LEAST_SAMPLES,
) -> Execution:
    """The fastest execution on this device. `precision` is that of the checkpoint; None for a new run.

    Rank 0 measures, and all ranks use its precision. Timings are stored in `cache`, so that later runs of the same
    shapes on the same processor make the same choice.
    """
    captured = device.type == "cuda" and world.size == 1 and is_ours(config)
    seconds: dict[str, float] = {}

    def measure(name: Precision) -> float:
        seconds[name] = critic_step_seconds(config, device, Execution(name, captured), cache, least_samples)
        return seconds[name]

    if precision is not None:
        reason = "that of the checkpoint"
    elif config.training.precision != "auto":
        precision, reason = config.training.precision, "as configured"
    else:
        if world.rank > 0:
            precision, reason = "float32", "that of rank 0"
        elif not multiplies_bf16(device):
            precision, reason = "float32", "this processor has no bf16 instructions"
        else:
            ratio = measure("float32") / measure("bf16")
            precision = "bf16" if ratio >= BF16_PAYS else "float32"
            reason = f"bf16 is {ratio:.2f} times as fast as float32 here, and from {BF16_PAYS} it is taken"
        if world.any(precision == "bf16", device):
            precision = "bf16"
    compiled = False
    if captured and critic_steps_left >= WORTH_A_TRIAL and may_compile(config):
        step = seconds.get(precision) or measure(precision)
        compiled = critic_steps_left * step > COMPILING_PAYS
    return Execution(precision, captured, compiled, reason, seconds)


def is_ours(config: RetrainConfig) -> bool:
    """Whether all networks and the objective are built in: a graph would freeze what custom Python does per step."""
    named = (config.training.objective, config.networks.generator, config.networks.critic)
    return all(":" not in name for name in named)


def may_compile(config: RetrainConfig) -> bool:
    """Whether the networks can be compiled: not for `wgan-gp`, which differentiates twice, nor without a C compiler."""
    compilers = (os.environ.get("CC"), "gcc", "clang", "cc")
    has_compiler = any(name and shutil.which(name) for name in compilers)
    return config.training.objective != "wgan-gp" and has_compiler and importlib.util.find_spec("triton") is not None
