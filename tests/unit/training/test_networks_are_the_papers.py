"""Counts from the design, distributions from DCGAN, and torch's own layers where a product replaces a convolution."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wgan.training.instance_norm import InstanceNorm
from wgan.training.networks import Critic, Fold, Generator, Unfold, initialise


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("channels", "generator", "critic"), [(1, 12_654_337, 2_763_585), (3, 12_658_435, 2_765_633)])
def test_parameter_counts_at_64_pixels_are_as_designed(channels: int, generator: int, critic: int) -> None:
    assert count(Generator(channels, 64, 64, 100)) == generator
    assert count(Critic(channels, 64, 64)) == critic


@pytest.mark.parametrize("image_size", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_fit_at_every_image_size(image_size: int, channels: int) -> None:
    images = Generator(channels, image_size, 4, 6)(torch.randn(2, 6))
    assert images.shape == (2, channels, image_size, image_size)
    assert Critic(channels, image_size, 4)(images).shape == (2,)


def test_blocks_are_dropped_at_the_small_image_end() -> None:
    generator, critic = Generator(1, 32, 16, 8), Critic(1, 32, 16)
    widths = [layer.out_channels for layer in generator.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert widths == [8 * 16, 4 * 16, 2 * 16, 1]
    assert [layer.out_channels for layer in critic.modules() if isinstance(layer, nn.Conv2d)] == [16, 32, 64, 1]


@pytest.mark.parametrize("image_size", [-64, 0, 4, 48])
def test_an_image_size_that_is_not_a_power_of_two_is_refused(image_size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Critic(1, image_size, 4)


def test_noise_with_and_without_the_two_ones_gives_the_same_images() -> None:
    generator, noise = Generator(1, 32, 4, 6).eval(), torch.randn(3, 6)
    assert torch.equal(generator(noise), generator(noise.view(3, 6, 1, 1)))


def test_images_are_in_the_range_of_tanh() -> None:
    generator = Generator(1, 32, 4, 6)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(100)
    images = generator(torch.randn(8, 6))
    assert -1 <= images.min() < -0.9
    assert 0.9 < images.max() <= 1


def test_scores_are_not_squashed() -> None:
    critic = Critic(1, 32, 4)
    with torch.no_grad():
        critic.layers[-1].bias.fill_(7.0)  # type: ignore[union-attr]
    assert (critic(torch.zeros(2, 1, 32, 32)) > 1).all()
    assert not any(isinstance(layer, nn.Sigmoid) for layer in critic.modules())


def test_a_score_depends_on_its_own_image_only() -> None:
    critic, images = Critic(1, 32, 4), torch.randn(6, 1, 32, 32)
    assert torch.allclose(critic(images)[:1], critic(images[:1]), atol=1e-6)


def test_the_first_layer_is_the_transposed_convolution_of_a_1x1_image() -> None:
    layer, noise = Unfold(6, 5), torch.randn(3, 6)
    expected = nn.functional.conv_transpose2d(noise.view(3, 6, 1, 1), layer.weight)
    assert torch.allclose(layer(noise), expected, atol=1e-6)


def test_the_last_layer_is_the_convolution_of_a_4x4_image_to_a_scalar() -> None:
    layer, images = Fold(5), torch.randn(3, 5, 4, 4)
    for layout in (torch.contiguous_format, torch.channels_last):
        expected = nn.functional.conv2d(images, layer.weight, layer.bias).flatten()
        assert torch.allclose(layer(images.contiguous(memory_format=layout)), expected, atol=1e-5)


def test_the_instance_norm_is_torchs() -> None:
    images = torch.randn(3, 5, 8, 8)
    ours, theirs = InstanceNorm(5), nn.InstanceNorm2d(5, affine=True)
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.arange(5.0))
            norm.bias.copy_(torch.arange(5.0) - 2)
    assert torch.allclose(ours(images), theirs(images), atol=1e-5)


def test_the_instance_norm_for_cuda_is_equal_and_keeps_layout_and_type() -> None:
    images = torch.randn(3, 5, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    norm = InstanceNorm(5)
    with torch.no_grad():
        norm.weight.copy_(torch.arange(5.0))
    written_out, expected = norm.written_out(images), norm(images)
    assert torch.allclose(written_out, expected, atol=1e-5)
    assert written_out.is_contiguous(memory_format=torch.channels_last)
    gradients = [torch.autograd.grad((result**2).sum(), images)[0] for result in (written_out, expected)]
    assert torch.allclose(*gradients, atol=1e-3)
    assert norm.written_out(images.bfloat16()).dtype == torch.bfloat16


def test_norms_and_biases_are_where_dcgan_has_them() -> None:
    generator, critic = list(Generator(3, 64, 4, 6).layers), list(Critic(3, 64, 4).layers)
    assert [type(layer).__name__ for layer in critic[:3]] == ["Conv2d", "LeakyReLU", "Halving"]
    assert sum(isinstance(layer, InstanceNorm) for layer in critic) == 3
    assert all(layer.negative_slope == 0.2 for layer in critic if isinstance(layer, nn.LeakyReLU))
    norms = [layer for layer in generator if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 4
    assert all(norm.eps == 1e-5 and norm.momentum == 0.1 for norm in norms)


def test_weights_start_around_0_and_norm_scales_around_1() -> None:
    for network in (Generator(3, 64, 32, 100), Critic(3, 64, 32)):
        initialise(network, torch.Generator().manual_seed(1))
        convolutions = [m.weight.flatten() for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        scales = [m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d | nn.GroupNorm)]
        for values, mean in ((torch.cat(convolutions), 0.0), (torch.cat(scales), 1.0)):
            error = 5 * 0.02 / values.numel() ** 0.5  # five standard errors
            assert values.mean().item() == pytest.approx(mean, abs=error)
            assert values.std().item() == pytest.approx(0.02, abs=error)
        assert all((p == 0).all() for name, p in network.named_parameters() if name.endswith("bias"))


def test_the_same_stream_gives_the_same_weights() -> None:
    first, second = Critic(1, 32, 4), Critic(1, 32, 4)
    for network in (first, second):
        initialise(network, torch.Generator().manual_seed(9))
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs)
