"""Images from a trained generator."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from wgan.latents import draw_latents
from wgan.pixels import to_bytes
from wgan.training.networks import ImageGenerator

CPU = torch.device("cpu")


def generate_images(
    generator: ImageGenerator, seed: int, count: int, device: torch.device = CPU, batch_size: int = 256
) -> NDArray[np.uint8]:
    """`count` images (N, C, H, W), uint8, from the noise `draw_latents(seed, count, z)`.

    The generator is moved to `device`, runs in evaluation mode (running statistics, so an image does not depend on its
    batch) and float32, and is left in the mode it was in.
    """
    was_training = generator.training
    generator.eval().to(device)
    noise = torch.from_numpy(draw_latents(seed, count, generator.latent_dim))
    try:
        with torch.no_grad():
            batches = [to_bytes(generator(part.to(device)).cpu().numpy()) for part in torch.split(noise, batch_size)]
    finally:
        generator.train(was_training)
    return np.ascontiguousarray(np.concatenate(batches))
