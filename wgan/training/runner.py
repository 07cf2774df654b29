"""Runs a run's two steps on its inputs: eager or captured, with networks compiled or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from wgan.training.device import Precision
from wgan.training.graphs import CapturedStep, Step
from wgan.training.inputs import StepInputs
from wgan.training.objectives import Objective
from wgan.training.state import Networks
from wgan.training.steps import critic_step, generator_step
from wgan.training.world import ALONE, World


@dataclass(frozen=True)
class Execution:
    """How steps are executed. Only the precision changes the numbers; the other options differ by rounding."""

    precision: Precision = "float32"
    captured: bool = False
    """Whether steps are CUDA graphs."""
    compiled: bool = False
    """Whether the networks are compiled with `torch.compile`."""
    reason: str = "as asked for"
    """Why this precision, as text."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """The timings it was chosen by: of one critic step, by precision."""

    def described(self) -> dict[str, str]:
        """The choice by name, for the record of a run."""
        timings = {f"seconds_per_critic_step_{name}": f"{seconds:.3g}" for name, seconds in self.seconds.items()}
        flags = {"captured": str(self.captured).lower(), "compiled": str(self.compiled).lower()}
        return {"precision": self.precision, "precision_reason": self.reason, **flags, **timings}


class StepRunner:
    """Draws a step's inputs and runs it, without waiting for the device.

    The tensors a step returns are overwritten by the next step of its kind.
    """

    def __init__(
        self,
        networks: Networks,
        objective: Objective,
        inputs: StepInputs,
        execution: Execution,
        world: World = ALONE,
    ) -> None:
        self.inputs = inputs
        trained = _compiled(networks) if execution.compiled else networks
        precision = execution.precision

        def critic() -> dict[str, Tensor]:
            real, noise, epsilon = inputs.real(), inputs.critic_noise, inputs.epsilon
            return critic_step(trained, objective, real, noise, epsilon, precision, world)

        def generator() -> dict[str, Tensor]:
            noise, stop = inputs.generator_noise, inputs.stop
            return {"generator_loss": generator_step(trained, objective, noise, precision, world, stop)}

        self._critic: Step = CapturedStep("critic step", critic) if execution.captured else critic
        self._generator: Step = CapturedStep("generator step", generator) if execution.captured else generator

    def critic(self, step: int) -> dict[str, Tensor]:
        """Run critic step `step`; returns its measured values by name."""
        self.inputs.draw_for_critic(step)
        return self._critic()

    def generator(self, step: int) -> dict[str, Tensor]:
        """Run generator step `step`; returns its loss by name."""
        self.inputs.draw_for_generator(step)
        return self._generator()


def _compiled(networks: Networks) -> Networks:
    """The same networks and optimizers, with forward and backward passes compiled at their first call."""
    torch.compiler.reset()  # repeated trainings would reach the limit of variants
    generator = cast("nn.Module", torch.compile(networks.generator, dynamic=False))
    critic = cast("nn.Module", torch.compile(networks.critic, dynamic=False))
    return Networks(generator, critic, networks.generator_optimizer, networks.critic_optimizer)
