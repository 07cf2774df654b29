"""Custom objectives and networks, valid and invalid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wgan.config import TrainingConfig
from wgan.training.networks import ImageGenerator
from wgan.training.objectives import CrossEntropy


class LinearGenerator(ImageGenerator):
    """One matrix."""

    def __init__(self, channels: int, image_size: int, width: int, latent_dim: int) -> None:
        super().__init__(channels, image_size, width, latent_dim)
        self.layer = nn.Linear(latent_dim, channels * image_size**2)

    def forward(self, noise: Tensor) -> Tensor:
        return torch.tanh(self.layer(noise)).view(-1, self.channels, self.image_size, self.image_size)


class LinearCritic(nn.Module):
    """One vector."""

    def __init__(self, channels: int, image_size: int, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(channels * image_size**2, 1)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layer(images.flatten(1)).flatten()
        return scores


class ColumnCritic(LinearCritic):
    """Returns a column instead of a row."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)[:, None]


def half_an_objective(training: TrainingConfig) -> object:
    """Returns something that is not an objective."""
    return object()


def cross_entropy(training: TrainingConfig) -> CrossEntropy:
    """The same as `gan`."""
    return CrossEntropy()
