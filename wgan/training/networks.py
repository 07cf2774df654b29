"""Generator and critic: DCGAN (Radford et al. 2016) without the sigmoid, as in the authors' `dcgan.py`.

Both are built from 4×4 convolutions that halve or double the image, down to (up from) 4×4 pixels. Image size 64 has
four of them; another power of two adds or drops blocks at the deep, small-image end, as the authors' code does, so the
critic always begins with d channels and the generator always ends with 2d before the image:

    image size   generator                  critic
    32           8d 4d 2d → C               d 2d 4d → 1
    64           16d 8d 4d 2d → C           d 2d 4d 8d → 1
    128          32d 16d 8d 4d 2d → C       d 2d 4d 8d 16d → 1

A convolution followed by a norm has no bias (the norm's shift is one); the others have.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from wgan.training.convolutions import Doubling, Halving
from wgan.training.instance_norm import InstanceNorm

SMALLEST = 4  # Pixels: the image the deepest convolution sees.


class ImageGenerator(nn.Module):
    """Any generator: noise (N, z) to images (N, C, H, W) in [-1, 1]; subclass it for a custom one."""

    name = "dcgan"
    """Its name in `networks.generator`."""

    def __init__(self, channels: int, image_size: int, width: int, latent_dim: int) -> None:
        super().__init__()
        self.channels, self.image_size, self.width, self.latent_dim = channels, image_size, width, latent_dim


class Generator(ImageGenerator):
    """Noise to image: transposed convolutions, BatchNorm + ReLU, tanh at the end.

    `channels` 1 or 3; `image_size` a power of two from 8; `width` is the critic's d, so the last hidden layer has 2d
    channels; `latent_dim` is z.
    """

    def __init__(self, channels: int, image_size: int, width: int, latent_dim: int) -> None:
        super().__init__(channels, image_size, width, latent_dim)
        widths = [width * 2**power for power in range(_doublings(image_size), 0, -1)]
        layers: list[nn.Module] = [Unfold(latent_dim, widths[0]), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
        for wide, narrow in pairwise(widths):
            layers += [Doubling(wide, narrow), nn.BatchNorm2d(narrow), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        """(N, z) or (N, z, 1, 1) standard normal noise to images (N, C, H, W) in [-1, 1]."""
        images: Tensor = self.layers(noise.flatten(1))
        return images


class Critic(nn.Module):
    """Image to score, the f_w of the paper: a real number, no sigmoid; larger means more like the data.

    LeakyReLU(0.2); affine instance norm on all but the first convolution, never a batch norm: a score depends only on
    its own image.
    """

    def __init__(self, channels: int, image_size: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**power for power in range(_doublings(image_size))]
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for narrow, wide in pairwise(widths):
            layers += [Halving(narrow, wide), InstanceNorm(wide), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, Fold(widths[-1]))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] to scores (N,)."""
        scores: Tensor = self.layers(images)
        return scores


class Unfold(nn.ConvTranspose2d):
    """The 4×4 transposed convolution of a 1×1 image, (N, z) to (N, C, 4, 4): a matrix product, computed as one."""

    def __init__(self, latent_dim: int, width: int) -> None:
        super().__init__(latent_dim, width, SMALLEST, bias=False)

    def forward(self, noise: Tensor, output_size: list[int] | None = None) -> Tensor:
        pixels = noise @ _channels_last_rows(self.weight)
        return pixels.view(-1, SMALLEST, SMALLEST, self.out_channels).permute(0, 3, 1, 2)


class Fold(nn.Conv2d):
    """The 4×4 convolution of a 4×4 image to one scalar, (N, C, 4, 4) to (N,): a matrix product, computed as one."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 1, SMALLEST)

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.linear(_channels_last_rows(input), _channels_last_rows(self.weight), self.bias).flatten()


def initialise(network: nn.Module, stream: torch.Generator) -> None:
    """Draw the initial weights as DCGAN does: convolutions N(0, .02), norm scales N(1, .02), shifts and biases 0."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                module.weight.normal_(0.0, 0.02, generator=stream)
            elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                module.weight.normal_(1.0, 0.02, generator=stream)
            for name, parameter in module.named_parameters(recurse=False):
                if name == "bias":
                    parameter.zero_()


def _channels_last_rows(tensor: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H·W·C): no copy if the tensor already has that layout, as all do in training."""
    return tensor.permute(0, 2, 3, 1).flatten(1)


def _doublings(image_size: int) -> int:
    """How many times 4 pixels double to reach `image_size`."""
    doublings = round(math.log2(image_size / SMALLEST)) if image_size > 0 else 0
    if doublings < 1 or SMALLEST * 2**doublings != image_size:
        raise ValueError(f"image_size must be a power of two from 8, not {image_size}")
    return doublings
