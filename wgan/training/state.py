"""Everything the next step of a training depends on, in memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.optim import Adam, Optimizer, RMSprop

from wgan.config import RetrainConfig, TrainingConfig
from wgan.training.build import new_critic, new_generator
from wgan.training.history import History
from wgan.training.networks import ImageGenerator


@dataclass
class TrainingState:
    """Both networks, both optimizers, how far they are, and what was measured on the way.

    Random streams and the data order need no field: they are functions of the seed and these counters.
    """

    generator: ImageGenerator
    critic: torch.nn.Module
    generator_optimizer: Optimizer
    critic_optimizer: Optimizer
    history: History
    generator_steps: int = 0
    critic_steps: int = 0
    seconds: float = 0.0


def new_state(config: RetrainConfig, device: torch.device) -> TrainingState:
    """Freshly initialised networks, weights drawn on the CPU so that every device starts from the same."""
    training, shape = config.training, (config.data.channels, config.data.image_size)
    generator = new_generator(config.networks, *shape, training.seed)
    critic = new_critic(config.networks, *shape, training.seed)
    generator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    critic.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainingState(
        generator, critic, optimizer_of(generator, training), optimizer_of(critic, training), History()
    )


def optimizer_of(network: torch.nn.Module, training: TrainingConfig) -> Optimizer:
    """RMSProp without momentum (Algorithm 1), or Adam for comparison."""
    if training.optimizer == "adam":
        return Adam(network.parameters(), lr=training.lr, betas=training.adam_betas, foreach=True)
    return RMSprop(
        network.parameters(), lr=training.lr, alpha=training.rmsprop_alpha, eps=training.rmsprop_eps, foreach=True
    )
