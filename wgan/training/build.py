"""Builds the configured networks: the paper's, or custom ones by import path."""

from __future__ import annotations

import torch
from torch import nn

from wgan.config import NetworksConfig
from wgan.errors import UsageError
from wgan.plugins import make_plugin
from wgan.training.networks import Critic, Generator, ImageGenerator, initialise
from wgan.training.streams import Purpose, torch_stream


def new_generator(networks: NetworksConfig, channels: int, image_size: int, seed: int) -> ImageGenerator:
    """The generator a configuration describes, on the CPU, in training mode, initialised from `seed`.

    A custom generator is constructed like `ImageGenerator` and keeps the weights it draws from torch's default stream,
    which is seeded with `seed`. Raises `UsageError` if it does not map noise (N, z) to images (N, C, H, W).
    """
    shape = (channels, image_size, networks.width, networks.latent_dim)
    stream = torch_stream(seed, Purpose.GENERATOR_WEIGHTS)
    if networks.generator == "dcgan":
        generator = Generator(*shape)
        initialise(generator, stream)
        return generator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream.initial_seed())
        own = make_plugin("networks.generator", networks.generator, ImageGenerator, *shape)
    own.name = networks.generator
    noise = torch.zeros(2, networks.latent_dim)
    _require_shape("networks.generator", networks.generator, own, noise, (2, channels, image_size, image_size))
    return own


def new_critic(networks: NetworksConfig, channels: int, image_size: int, seed: int) -> nn.Module:
    """The critic a configuration describes, like `new_generator`; a custom one gets channels, image size and width.

    Raises `UsageError` if it does not map images (N, C, H, W) to scores (N,).
    """
    stream = torch_stream(seed, Purpose.CRITIC_WEIGHTS)
    if networks.critic == "dcgan":
        critic = Critic(channels, image_size, networks.width)
        initialise(critic, stream)
        return critic
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream.initial_seed())
        own = make_plugin("networks.critic", networks.critic, nn.Module, channels, image_size, networks.width)
    _require_shape("networks.critic", networks.critic, own, torch.zeros(2, channels, image_size, image_size), (2,))
    return own


def _require_shape(field: str, path: str, network: nn.Module, example: torch.Tensor, expected: tuple[int, ...]) -> None:
    network.eval()
    try:
        with torch.no_grad():
            found = tuple(network(example).shape)
    except Exception as error:  # user code may raise anything
        reason = " ".join(str(error).split())
        raise UsageError(f"{field}={path} failed with {type(error).__name__}: {reason}.") from error
    network.train()
    if found != expected:
        raise UsageError(f"{field}={path} maps {tuple(example.shape)} to {found}; it must map it to {expected}.")
