"""Everything the next step of a training depends on, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer, RMSprop

from wgan.config import RetrainConfig, TrainingConfig
from wgan.errors import UsageError
from wgan.training.average import new_average
from wgan.training.build import new_critic, new_generator
from wgan.training.device import Precision
from wgan.training.history import History
from wgan.training.networks import ImageGenerator


@dataclass
class Networks:
    """Generator and critic, each with its optimizer: everything that the steps of Algorithm 1 change.

    The generator takes noise (m, z) to samples, the critic takes samples to scores (m,).
    """

    generator: nn.Module
    critic: nn.Module
    generator_optimizer: Optimizer
    critic_optimizer: Optimizer


@dataclass(frozen=True)
class StartingPoint:
    """Trained networks that a new training starts from."""

    origin: str
    """Where they are from, e.g. `models:/generator-digits/3`."""
    generator: Mapping[str, Tensor]
    critic: Mapping[str, Tensor]


@dataclass
class TrainingState(Networks):
    """The networks of a run, its step counters, and its history.

    Random streams and the data order need no field: they are functions of the seed and these counters.
    """

    generator: ImageGenerator
    average: ImageGenerator | None = None
    """The moving average of the generator's weights; None without `training.ema_decay`."""
    history: History = field(default_factory=History)
    precision: Precision | None = None
    """None until chosen; then fixed, also after a resume."""
    generator_steps: int = 0
    critic_steps: int = 0
    seconds: float = 0.0
    started_from: str | None = None
    """The origin of its starting point; None if its networks were freshly drawn."""

    @property
    def drawn_generator(self) -> ImageGenerator:
        """The generator that is drawn, evaluated and exported: the average, if there is one."""
        return self.generator if self.average is None else self.average


def new_state(config: RetrainConfig, device: torch.device) -> TrainingState:
    """Freshly initialised networks, weights drawn on the CPU so that every device starts from the same."""
    training, shape = config.training, (config.data.channels, config.data.image_size)
    generator = new_generator(config.networks, *shape, training.seed)
    critic = new_critic(config.networks, *shape, training.seed)
    generator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    critic.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainingState(
        generator,
        critic,
        optimizer_of(generator, training),
        optimizer_of(critic, training),
        average=new_average(generator) if training.ema_decay else None,
    )


def start_from(state: TrainingState, start: StartingPoint) -> None:
    """Give a new state the networks of a starting point; the optimizers stay fresh.

    Raises `UsageError` if they have other shapes than the configured networks.
    """
    average = {} if state.average is None else {"generator's average": (state.average, start.generator)}
    networks = {"generator": (state.generator, start.generator), "critic": (state.critic, start.critic), **average}
    for name, (network, weights) in networks.items():
        ours = {key: value.shape for key, value in network.state_dict().items()}
        if {key: value.shape for key, value in weights.items()} != ours:
            raise UsageError(
                f"the {name} of {start.origin} has other shapes than the configured one: set networks and data as they "
                "were for it, or training.start_from=none."
            )
        network.load_state_dict(weights)
    state.started_from = start.origin


def optimizer_of(network: nn.Module, training: TrainingConfig) -> Optimizer:
    """RMSProp without momentum (Algorithm 1), or Adam for comparison.

    On CUDA its step counters are on the device, and so is a learning rate that changes, so that an update can be part
    of a CUDA graph.
    """
    parameters = list(network.parameters())
    capturable = parameters[0].is_cuda
    on_device = capturable and training.lr_schedule != "constant"
    lr = torch.tensor(training.lr, device=parameters[0].device) if on_device else training.lr
    if training.optimizer == "adam":
        return Adam(parameters, lr=lr, betas=training.adam_betas, foreach=True, capturable=capturable)
    return RMSprop(
        parameters,
        lr=lr,
        alpha=training.rmsprop_alpha,
        eps=training.rmsprop_eps,
        foreach=True,
        capturable=capturable,
    )


def load_optimizer(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Load a saved state into the optimizer, which may be on another kind of device.

    Its settings stay those of the configuration; the saved ones are ignored.
    """
    own = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": saved["state"], "param_groups": own})
