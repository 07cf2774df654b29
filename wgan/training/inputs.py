"""The random inputs of a step: the real batch, the noise, WGAN-GP's epsilon. Each depends on seed and step only."""

from __future__ import annotations

import torch
from torch import Tensor

from wgan.config import RetrainConfig
from wgan.training.batches import RealBatches, in_range_of_tanh
from wgan.training.streams import Purpose, fill_normal, fill_uniform
from wgan.training.world import ALONE, World


class StepInputs:
    """The same tensors at every step, refilled before it, because a CUDA graph reads fixed addresses.

    Filling does not wait for the device.
    """

    def __init__(self, config: RetrainConfig, batches: RealBatches, device: torch.device, world: World = ALONE) -> None:
        training, data = config.training, config.data
        self.batches, self.seed, self.rank = batches, training.seed, world.rank
        self.reads_epsilon = training.objective not in ("wgan", "gan")
        size = training.batch_size
        self.pixels = torch.zeros(size, data.channels, data.image_size, data.image_size, dtype=torch.uint8).to(device)
        self.critic_noise = torch.zeros(size, config.networks.latent_dim, device=device)
        self.generator_noise = torch.zeros_like(self.critic_noise)
        self.epsilon = torch.zeros(size, device=device)
        self.coins = torch.zeros(size, device=device) if data.mirror else None
        self.stop = torch.zeros((), device=device)

    def draw_for_critic(self, step: int) -> None:
        """Fill what critic step `step` reads."""
        self.batches.fill(self.pixels, step)
        if self.coins is not None:
            fill_uniform(self.coins, self.seed, Purpose.MIRRORING, self.rank, step)
            mirror(self.pixels, self.coins < 0.5)
        fill_normal(self.critic_noise, self.seed, Purpose.CRITIC_NOISE, self.rank, step)
        if self.reads_epsilon:
            fill_uniform(self.epsilon, self.seed, Purpose.INTERPOLATION, self.rank, step)

    def draw_for_generator(self, step: int) -> None:
        """Fill what generator step `step` reads."""
        fill_normal(self.generator_noise, self.seed, Purpose.GENERATOR_NOISE, self.rank, step)

    def ask_to_stop(self, asked: bool) -> None:
        """Say whether this rank is asked to stop; the next generator step tells every rank."""
        self.stop.fill_(float(asked))

    def real(self) -> Tensor:
        """The batch of real images (m, C, H, W), float32 in [-1, 1]."""
        return in_range_of_tanh(self.pixels)


def mirror(images: Tensor, chosen: Tensor) -> None:
    """Flip the `chosen` (N,) of the images (N, C, H, W) left to right, in place."""
    images.copy_(torch.where(chosen.view(-1, 1, 1, 1), images.flip(3), images))
