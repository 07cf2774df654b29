"""The outer loop of Algorithm 1 for any two networks: the steps themselves are in `wgan.training.steps`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from wgan.config import TrainingConfig
from wgan.training.history import History
from wgan.training.learning_rate import learning_rate_at, set_learning_rate
from wgan.training.objectives import objective_of
from wgan.training.state import Networks, optimizer_of
from wgan.training.steps import critic_step, critic_steps_before, generator_step
from wgan.training.streams import Purpose, normal, uniform

CPU = torch.device("cpu")


def gan_pair(generator: nn.Module, critic: nn.Module, training: TrainingConfig) -> Networks:
    """Both networks with the optimizers that the configuration names."""
    return Networks(generator, critic, optimizer_of(generator, training), optimizer_of(critic, training))


def train_pair(
    pair: Networks,
    training: TrainingConfig,
    real: Callable[[int], Tensor],
    latent_dim: int,
    after_step: Callable[[int], None],
) -> History:
    """Train for `training.generator_steps` on the CPU; returns the values measured at every generator step.

    `real(s)` is the batch of critic step s, float32; `after_step(n)` is called after n generator steps, and may stop
    the training by raising. Every random number is a function of `training.seed`, purpose and step. Raises
    `TrainingDiverged`.
    """
    objective, history, done = objective_of(training), History(), 0

    def noise(purpose: Purpose, step: int) -> Tensor:
        return normal((training.batch_size, latent_dim), CPU, training.seed, purpose, 0, step)

    def epsilon() -> Tensor:
        return uniform((training.batch_size,), CPU, training.seed, Purpose.INTERPOLATION, 0, done)

    for step in range(training.generator_steps):
        for optimizer in (pair.generator_optimizer, pair.critic_optimizer):
            set_learning_rate(optimizer, learning_rate_at(step, training))
        for _ in range(critic_steps_before(step, training)):
            measured = critic_step(pair, objective, real(done), noise(Purpose.CRITIC_NOISE, done), epsilon())
            done += 1
        measured["generator_loss"] = generator_step(pair, objective, noise(Purpose.GENERATOR_NOISE, step))
        history.append(measured)
        after_step(step + 1)
    history.to_host()
    return history
