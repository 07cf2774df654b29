"""Networks besides the DCGAN: multilayer perceptrons, and the convolutional generator without batch norm.

The paper's section 4.3 trains a generator "without batch normalization and constant number of filters" (figure 6) and
"an MLP with 4 layers and 512 units with ReLU nonlinearities" (figure 7); in the authors' `mlp.py` the four are three
hidden layers of 512, the first of which reads the noise, and the output layer. Here there are four hidden layers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wgan.training.networks import SMALLEST

MLP_LAYERS = 4
MLP_WIDTH = 512


class Scorer(nn.Module):
    """Points (N, d) to scores (N,)."""

    def __init__(self, dimension: int, width: int, depth: int) -> None:
        super().__init__()
        self.dimension, self.width, self.depth = dimension, width, depth
        self.layers = perceptron(dimension, 1, width, depth)

    def forward(self, points: Tensor) -> Tensor:
        """Points (N, d) to scores (N,)."""
        scores: Tensor = self.layers(points)
        return scores.squeeze(1)


class PerceptronGenerator(nn.Module):
    """Noise (N, z) to images (N, C, S, S) in [-1, 1] through hidden layers without any image structure."""

    def __init__(self, channels: int, image_size: int, latent_dim: int, width: int = MLP_WIDTH) -> None:
        super().__init__()
        self.shape = (channels, image_size, image_size)
        self.layers = perceptron(latent_dim, math.prod(self.shape), width, MLP_LAYERS)

    def forward(self, noise: Tensor) -> Tensor:
        """(N, z) to (N, C, S, S)."""
        return torch.tanh(self.layers(noise)).view(-1, *self.shape)


class PlainGenerator(nn.Module):
    """Transposed convolutions of one width and ReLU, no batch norm, tanh at the end: (N, z) to (N, C, S, S)."""

    def __init__(self, channels: int, image_size: int, width: int, latent_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent_dim, width, SMALLEST), nn.ReLU()]
        for _ in range(round(math.log2(image_size / SMALLEST)) - 1):
            layers += [nn.ConvTranspose2d(width, width, 4, 2, 1), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        """(N, z) to (N, C, S, S)."""
        images: Tensor = self.layers(noise[:, :, None, None])
        return images


def perceptron(inputs: int, outputs: int, width: int, depth: int) -> nn.Sequential:
    """`depth` hidden layers of `width` with ReLU, then a linear one."""
    layers: list[nn.Module] = []
    for size in [inputs] + [width] * (depth - 1):
        layers += [nn.Linear(size, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


HE_GAIN = math.sqrt(6)
"""For `initialise_linear`: weights as in He et al. (2015), so that signals neither vanish nor explode with depth."""


def initialise_linear(network: nn.Module, stream: torch.Generator, gain: float = 1.0) -> None:
    """Weights uniform in ±gain/√inputs, biases in ±1/√inputs, from `stream`; gain 1 is torch's default."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                module.weight.uniform_(-gain * bound, gain * bound, generator=stream)
                module.bias.uniform_(-bound, bound, generator=stream)
