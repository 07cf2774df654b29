"""The two updates of Algorithm 1; `wgan.training.loop` says in which order they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from wgan.config import TrainingConfig
from wgan.training.objectives import Objective
from wgan.training.state import Networks
from wgan.training.world import ALONE, World


def critic_step(
    networks: Networks,
    objective: Objective,
    real: Tensor,
    noise: Tensor,
    epsilon: Tensor,
    precision: str = "float32",
    world: World = ALONE,
) -> dict[str, Tensor]:
    """One update of the critic, then its constraint.

    `real` (m, C, H, W) in [-1, 1], `noise` (m, z), `epsilon` (m,) in [0, 1). Returns the loss, and what the objective
    measures, of the forward pass before the update, averaged over all ranks.
    """
    with multiplying(precision, real.device):
        with torch.no_grad():
            fake = networks.generator(noise).float()
        loss, measured = objective.critic_loss(networks.critic, real, fake, epsilon)
    networks.critic_optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    values = {"critic_loss": loss.detach(), **measured}
    world.reduce([*gradients(networks.critic), *values.values()])
    networks.critic_optimizer.step()
    objective.constrain(networks.critic)
    return values


def generator_step(
    networks: Networks,
    objective: Objective,
    noise: Tensor,
    precision: str = "float32",
    world: World = ALONE,
    stop: Tensor | None = None,
) -> Tensor:
    """One update of the generator against the current critic. `noise` (m, z).

    Returns the loss before the update, averaged over all ranks. `stop` is averaged with the gradients: the share of
    ranks that are asked to stop. The critic's parameters are frozen, so their gradients are not computed and `.grad`
    keeps those of the last critic step.
    """
    with frozen(networks.critic):
        with multiplying(precision, noise.device):
            scores = networks.critic(networks.generator(noise)).float()
        loss = objective.generator_loss(scores)
        networks.generator_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
    value = loss.detach()
    world.reduce([*gradients(networks.generator), value, *([] if stop is None else [stop])])
    networks.generator_optimizer.step()
    return value


def critic_steps_before(generator_steps: int, settings: TrainingConfig) -> int:
    """Critic steps to run before the next generator step, after `generator_steps` generator steps.

    The schedule `published` follows the authors' `main.py`: 100 for the first 25 generator steps and at every 500th.
    """
    if settings.critic_schedule == "published" and (generator_steps < 25 or generator_steps % 500 == 0):
        return 100
    return settings.n_critic


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Disable gradients for the parameters inside the block."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def multiplying(precision: str, device: torch.device) -> torch.autocast:
    """Run convolutions in bf16 inside, if that is the precision; weights, gradients and updates stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def gradients(network: nn.Module) -> list[Tensor]:
    """The gradients of all parameters."""
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
