"""Devices by name; images of a generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wgan.errors import UsageError
from wgan.latents import draw_latents
from wgan.pixels import to_bytes
from wgan.training.device import resolve_device
from wgan.training.networks import Generator
from wgan.training.sampling import generate_images

CPU = torch.device("cpu")


def test_the_cpu_is_always_available() -> None:
    assert resolve_device("cpu") == CPU
    assert resolve_device("auto").type in {"cpu", "cuda", "mps"}


def test_an_unavailable_device_is_refused() -> None:
    with pytest.raises(UsageError, match="cuda:99 is not there"):
        resolve_device("cuda:99")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cpu,cuda"])
def test_a_device_that_does_not_exist_is_refused_with_the_allowed_ones(name: str) -> None:
    with pytest.raises(UsageError, match="auto, cpu, cuda, mps"):
        resolve_device(name)


def test_images_are_bytes_of_the_generators_output_for_the_seeds_noise() -> None:
    generator = Generator(3, 32, 4, 6)
    images = generate_images(generator, seed=7, count=5, device=CPU)
    assert (images.shape, images.dtype) == ((5, 3, 32, 32), np.uint8)
    with torch.no_grad():
        expected = generator.eval()(torch.from_numpy(draw_latents(7, 5, 6)))
    assert np.array_equal(images, to_bytes(expected.numpy()))


def test_batches_do_not_change_the_images() -> None:
    generator = Generator(1, 32, 4, 6)
    whole, parts = (generate_images(generator, 1, 10, CPU, batch_size=size).astype(int) for size in (10, 3))
    assert np.abs(whole - parts).max() <= 1  # a product of another shape may round another way


def test_sampling_does_not_change_the_generator() -> None:
    generator = Generator(1, 32, 4, 6).train()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    generate_images(generator, 1, 4, CPU)
    assert generator.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
