"""Measures one generator, or challenger and champion, on prepared images beside real and untrained ones.

Judging, measuring and comparing all measure through `measure_generators`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from wgan import progress
from wgan.config import EvaluationConfig, NetworksConfig
from wgan.data.dataset import PreparedImages
from wgan.evaluation.bounds import measure_bounds
from wgan.evaluation.reference import RealImages
from wgan.evaluation.side_by_side import GenerateImages, measure_side_by_side, measure_sides
from wgan.records import Bounds, Measurement
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.training.build import new_generator
from wgan.training.device import resolve_device
from wgan.training.sampling import generate_images


@dataclass(frozen=True)
class Measured:
    """The measurements under one protocol."""

    challenger: Measurement
    champion: Measurement | None
    bounds: Bounds


def measure_generators(
    challenger: GenerateImages,
    champion: GenerateImages | None,
    images: PreparedImages,
    networks: NetworksConfig,
    protocol: EvaluationConfig,
    settings: Settings,
    storage: Storage,
) -> Measured:
    """Measure one generator or two, and the bounds of their protocol, on this machine's device.

    `networks` is the architecture whose untrained generator is the lower bound. Progress is reported. Raises what
    `measure_side_by_side` raises.
    """
    device = str(resolve_device(settings.device))
    mine, theirs = measure_side_by_side(
        challenger, champion, images, protocol, settings, storage, device, progress.report
    )
    bounds = measure_bounds(
        images,
        networks,
        partial(untrained_images, images, networks, protocol.seed, device),
        protocol,
        settings,
        storage,
        device,
        progress.titled("real images and untrained"),
    )
    return Measured(mine, theirs, bounds)


def measure_champion(
    champion: GenerateImages, images: PreparedImages, protocol: EvaluationConfig, settings: Settings, storage: Storage
) -> Measurement:
    """Measure a champion as `measure_generators` measures it beside a challenger. Progress is reported."""
    device = str(resolve_device(settings.device))
    return measure_sides({"champion": champion}, images, protocol, settings, storage, device, progress.report)[
        "champion"
    ]


def untrained_images(
    images: RealImages, networks: NetworksConfig, weights_seed: int, device: str, seed: int, count: int
) -> NDArray[np.uint8]:
    """Images of an untrained generator of this architecture: uint8 (count, C, H, W)."""
    generator = new_generator(networks, images.channels, images.image_size, weights_seed)
    return generate_images(generator, seed, count, torch.device(device))
