"""Algorithm 1 of Arjovsky, Chintala and Bottou, *Wasserstein GAN* (ICML 2017).

    while θ has not converged:
        for t = 1, …, n_critic:
            sample a batch {x} of real data and a batch {z} of noise
            g_w ← ∇_w [mean f_w(x) − mean f_w(g_θ(z))]
            w ← w + α · RMSProp(w, g_w)
            w ← clip(w, −c, c)
        sample a batch {z} of noise
        g_θ ← −∇_θ mean f_w(g_θ(z))
        θ ← θ − α · RMSProp(θ, g_θ)

`train` is the outer loop, `critic_step` the body of the inner one, `generator_step` the rest. The two losses and the
clamp are in `wgan.training.objectives`.

On the CPU in float32 the weights and every metric but the speed are a function of (configuration, data, seed), to the
bit, for a given processor, thread count and torch; interruptions do not change them. On CUDA nothing in a step waits
for the device: losses stay tensors until a step is logged. The CUDA path was written without such a device at hand and
has not been run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from wgan.config import RetrainConfig, TrainingConfig
from wgan.training.batches import DataOrder, ImageSource, RealImages
from wgan.training.checkpoint import load_checkpoint
from wgan.training.device import resolve_precision
from wgan.training.notebook import PRINTED, require_configured_shape
from wgan.training.objectives import Mixing, Objective, objective_of
from wgan.training.observing import Observer, Outside, TrainingResult
from wgan.training.state import new_state
from wgan.training.streams import Purpose, normal, uniform
from wgan.training.world import ALONE, World

__all__ = ["ImageSource", "Observer", "Players", "TrainingResult", "train"]


CPU = torch.device("cpu")


class Players(Protocol):
    """What a step needs of a training: any critic and any generator, with their optimizers."""

    @property
    def generator(self) -> nn.Module:
        """Noise (m, z) to samples."""
        ...

    @property
    def critic(self) -> nn.Module:
        """Samples to scores (m,)."""
        ...

    @property
    def generator_optimizer(self) -> Optimizer:
        """Over the generator's parameters."""
        ...

    @property
    def critic_optimizer(self) -> Optimizer:
        """Over the critic's parameters."""
        ...


def train(
    config: RetrainConfig,
    images: ImageSource,
    data_digest: str = "",
    observer: Observer = PRINTED,
    device: torch.device = CPU,
    folder: Path = Path("training"),
    resume_from: Path | None = None,
    world: World = ALONE,
) -> TrainingResult:
    """Train a generator on `images`, from the start or from a checkpoint, and leave the last checkpoint in `folder`.

    Raises `TrainingDiverged` at a NaN or an infinity (the last good checkpoint stays), `CheckpointError` if
    `resume_from` is not a whole checkpoint of this configuration and data.
    """
    require_configured_shape(images, config)
    folder.mkdir(parents=True, exist_ok=True)
    # ── Networks, optimizers and counters: new, or as the checkpoint left them ──
    settings = config.training
    precision = resolve_precision(settings.precision, device)
    state = new_state(config, device)
    if resume_from is not None:
        load_checkpoint(resume_from, state, config, data_digest)
    objective = objective_of(settings)
    real_images = RealImages(images, DataOrder(images.count, settings.batch_size, settings.seed, world), device)

    def noise(purpose: Purpose, step: int) -> Tensor:
        shape = (settings.batch_size, config.networks.latent_dim)
        return normal(shape, device, settings.seed, purpose, world.rank, step)

    def mixing(count: int) -> Tensor:
        return uniform((count,), device, settings.seed, Purpose.INTERPOLATION, world.rank, state.critic_steps)

    # ── Algorithm 1 ──
    outside = Outside(config, data_digest, observer, state, device, folder, resume_from, world)
    while state.generator_steps < settings.generator_steps:
        for _ in range(critic_steps_before(state.generator_steps, settings)):
            real = real_images.batch(state.critic_steps)
            critic_noise = noise(Purpose.CRITIC_NOISE, state.critic_steps)
            measured = critic_step(state, objective, real, critic_noise, mixing, precision, world)
            state.critic_steps += 1
        generator_noise = noise(Purpose.GENERATOR_NOISE, state.generator_steps)
        measured["generator_loss"] = generator_step(state, objective, generator_noise, precision, world)
        state.generator_steps += 1
        state.history.append(measured)
        if outside.after_step():
            break
    return outside.result(precision)


def critic_step(
    state: Players,
    objective: Objective,
    real: Tensor,
    noise: Tensor,
    mixing: Mixing,
    precision: str = "float32",
    world: World = ALONE,
) -> dict[str, Tensor]:
    """One update of the critic, then its constraint. `real` (m, C, H, W) in [-1, 1], `noise` (m, z).

    Returns the loss, and what the objective measures, of the forward pass before the update.
    """
    with multiplying(precision, real.device):
        with torch.no_grad():
            fake = state.generator(noise).float()
        loss, measured = objective.critic_loss(state.critic, real, fake, mixing)
    state.critic_optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    world.reduce(gradients(state.critic))
    state.critic_optimizer.step()
    objective.constrain(state.critic)
    return {"critic_loss": loss.detach(), **measured}


def generator_step(
    state: Players, objective: Objective, noise: Tensor, precision: str = "float32", world: World = ALONE
) -> Tensor:
    """One update of the generator against the critic as it is. `noise` (m, z).

    Returns the loss before the update. The critic's parameters are frozen, so that no gradient of theirs is computed;
    what `.grad` holds of the last critic step stays.
    """
    with frozen(state.critic):
        with multiplying(precision, noise.device):
            scores = state.critic(state.generator(noise)).float()
        loss = objective.generator_loss(scores)
        state.generator_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
    world.reduce(gradients(state.generator))
    state.generator_optimizer.step()
    return loss.detach()


def critic_steps_before(generator_steps: int, settings: TrainingConfig) -> int:
    """Critic steps before the next generator step, when `generator_steps` are done.

    `published` is the authors' `main.py`: 100 for the first 25 generator steps and at every 500th.
    """
    if settings.critic_schedule == "published" and (generator_steps < 25 or generator_steps % 500 == 0):
        return 100
    return settings.n_critic


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """No gradients for the parameters inside."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def multiplying(precision: str, device: torch.device) -> torch.autocast:
    """Convolutions in bf16 inside, if that is the precision; weights, gradients and updates stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def gradients(network: nn.Module) -> list[Tensor]:
    """The gradients of all parameters."""
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
