"""In bf16 on a CPU, the norm and two weight gradients are computed in another way. The reference is torch."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm

from wgan.training.convolutions import Doubling, Halving
from wgan.training.instance_norm import InstanceNorm

BF16_STEP = 2**-8
"""Twice the largest relative rounding error of a bf16 number: that of the result and that of the reference."""


def images(*shape: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return drawn.contiguous(memory_format=torch.channels_last)


def close(found: Tensor, expected: Tensor) -> bool:
    """Whether the distance is within bf16's rounding, relative to the size of what is expected."""
    return bool((found.float() - expected.float()).norm() <= BF16_STEP * expected.float().norm())


def gradients(result: Tensor, inputs: Tensor, parameters: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Gradients of inputs and parameters for a fixed random gradient of the result."""
    of_result = images(*result.shape, seed=1).bfloat16().to(result.dtype)
    return torch.autograd.grad(result, [inputs, *parameters], of_result)


@pytest.mark.parametrize(
    ("layer", "reference", "shape"),
    [
        (Halving(6, 10), nn.Conv2d(6, 10, 4, 2, 1, bias=False), (3, 6, 8, 8)),
        (Doubling(10, 6), nn.ConvTranspose2d(10, 6, 4, 2, 1, bias=False), (3, 10, 4, 4)),
    ],
)
def test_a_convolution_of_the_smallest_images_has_torchs_result_and_gradients(
    layer: nn.Module, reference: nn.Module, shape: tuple[int, ...]
) -> None:
    reference.load_state_dict(layer.state_dict())
    inputs = images(*shape).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = layer(inputs), reference(inputs)
    assert torch.equal(found, expected)
    pairs = zip(
        gradients(found, inputs, layer.parameters()), gradients(expected, inputs, reference.parameters()), strict=True
    )
    assert all(close(*pair) for pair in pairs)


@pytest.mark.parametrize(("layer", "size"), [(Halving(2, 3), 8), (Doubling(2, 3), 4)])
def test_a_frozen_convolution_has_the_gradient_of_its_input_alone(layer: nn.Module, size: int) -> None:
    inputs = images(2, 2, size, size).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        layer.requires_grad_(False)(inputs).float().sum().backward()
    assert inputs.grad is not None
    assert all(parameter.grad is None for parameter in layer.parameters())


def norm_with_parameters(width: int) -> InstanceNorm:
    norm = InstanceNorm(width)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, width))
        norm.bias.copy_(torch.linspace(-1, 1, width))
    return norm


def reference_norm(norm: InstanceNorm, inputs: Tensor) -> Tensor:
    return group_norm(inputs.float(), norm.num_groups, norm.weight, norm.bias, norm.eps)


def test_the_norm_of_bf16_images_has_torchs_result_and_gradients() -> None:
    norm, inputs = norm_with_parameters(5), images(3, 5, 8, 8).bfloat16().requires_grad_()

    found, expected = norm(inputs), reference_norm(norm, inputs)
    assert found.dtype == torch.bfloat16
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert close(found, expected)
    parameters = [norm.weight, norm.bias]
    pairs = zip(gradients(found, inputs, parameters), gradients(expected, inputs, parameters), strict=True)
    assert all(close(*pair) for pair in pairs)


def test_the_norm_of_bf16_images_can_be_differentiated_twice() -> None:
    norm, inputs = norm_with_parameters(5), images(3, 5, 8, 8).bfloat16().requires_grad_()

    def penalty(result: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(result.float().pow(3).sum(), inputs, create_graph=True)
        return torch.autograd.grad(slope.float().square().mean(), norm.weight)[0]

    found, expected = penalty(norm(inputs)), penalty(reference_norm(norm, inputs))
    assert torch.allclose(found, expected, rtol=0.05)
