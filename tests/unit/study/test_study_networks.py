"""The networks beside the DCGAN."""

from __future__ import annotations

import torch
from torch import nn

from wgan.study.networks import PerceptronGenerator, PlainGenerator, Scorer, initialise_linear


def test_the_perceptron_generator_has_four_layers_of_512_and_makes_images() -> None:
    generator = PerceptronGenerator(1, 32, 64)
    shapes = [tuple(module.weight.shape) for module in generator.modules() if isinstance(module, nn.Linear)]
    assert shapes == [(512, 64), (512, 512), (512, 512), (512, 512), (1024, 512)]
    images = generator(torch.randn(3, 64))
    assert images.shape == (3, 1, 32, 32)
    assert images.abs().max() <= 1


def test_the_plain_generator_has_one_width_and_no_batch_norm() -> None:
    generator = PlainGenerator(3, 32, 8, 16)
    assert generator(torch.randn(2, 16)).shape == (2, 3, 32, 32)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in generator.modules())
    widths = {m.out_channels for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)}
    assert widths == {8, 3}


def test_a_scorer_gives_one_number_for_each_point() -> None:
    assert Scorer(2, 4, 3)(torch.zeros(5, 2)).shape == (5,)


def test_initial_weights_are_torchs_uniform_and_a_function_of_the_stream() -> None:
    first, second = Scorer(2, 100, 2), Scorer(2, 100, 2)
    for network in (first, second):
        initialise_linear(network, torch.Generator().manual_seed(3))
    inner = first.layers[2].weight
    assert torch.equal(inner, second.layers[2].weight)
    assert inner.abs().max() <= 0.1
    assert abs(inner.std().item() - 0.1 / 3**0.5) < 0.002
