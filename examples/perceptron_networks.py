"""Custom networks: perceptrons with one hidden layer, instead of convolutions.

    WGAN_PLUGINS=perceptron_networks PYTHONPATH=examples wgan retrain --preset digits \
        --set networks.generator=perceptron_networks:PerceptronGenerator \
        --set networks.critic=perceptron_networks:PerceptronCritic
"""

from __future__ import annotations

from torch import Tensor, nn

from wgan.training.networks import ImageGenerator


class PerceptronGenerator(ImageGenerator):
    """Noise (N, z) to images (N, C, H, W) in [-1, 1]; `networks.width` is the hidden layer's."""

    def __init__(self, channels: int, image_size: int, width: int, latent_dim: int) -> None:
        super().__init__(channels, image_size, width, latent_dim)
        pixels = channels * image_size**2
        self.layers = nn.Sequential(nn.Linear(latent_dim, width), nn.ReLU(), nn.Linear(width, pixels), nn.Tanh())

    def forward(self, noise: Tensor) -> Tensor:
        images: Tensor = self.layers(noise).view(-1, self.channels, self.image_size, self.image_size)
        return images


class PerceptronCritic(nn.Module):
    """Images (N, C, H, W) to scores (N,)."""

    def __init__(self, channels: int, image_size: int, width: int) -> None:
        super().__init__()
        pixels = channels * image_size**2
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images).flatten()
        return scores
