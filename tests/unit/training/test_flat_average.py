"""Averaging over ranks: one collective a step, the mean of every tensor, the layout of the parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.unit.training.tiny_training import CPU, tiny
from wgan.training.all_reduce import FlatAverage
from wgan.training.objectives import WeightClipping
from wgan.training.state import new_state
from wgan.training.steps import critic_step, generator_step
from wgan.training.world import World


class Twins:
    """The collective of two ranks whose tensors are always equal: the sum is twice the own."""

    def __init__(self) -> None:
        self.calls: list[Tensor] = []

    def __call__(self, buffer: Tensor) -> None:
        self.calls.append(buffer)
        buffer.mul_(2)


def test_each_tensor_becomes_the_mean_over_all_ranks() -> None:
    tensors = [torch.arange(6.0).reshape(2, 3), torch.tensor(5.0)]
    FlatAverage(lambda buffer: buffer.add_(1.0), size=2)(tensors)  # the other rank has ones
    assert torch.equal(tensors[0], (torch.arange(6.0).reshape(2, 3) + 1) / 2)
    assert tensors[1] == 3.0


def test_one_rank_keeps_its_bits() -> None:
    tensors = [torch.randn(3, 4, 5, 6).to(memory_format=torch.channels_last), torch.randn(7)]
    before = [tensor.clone() for tensor in tensors]
    FlatAverage(lambda buffer: None, size=1)(tensors)
    assert all(torch.equal(now, then) for now, then in zip(tensors, before, strict=True))


def test_tensors_with_gaps_are_averaged_too() -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    FlatAverage(lambda buffer: buffer.zero_(), size=2)([whole[:, :2]])
    assert torch.equal(whole, torch.tensor([[0, 0, 2, 3], [0, 0, 6, 7], [0, 0, 10, 11]], dtype=torch.float32))


def test_the_wire_carries_float32_in_the_order_of_the_parameters_memory() -> None:
    weight = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    twins = Twins()
    FlatAverage(twins, size=2)([weight, torch.tensor(1.5)])
    (buffer,) = twins.calls
    assert buffer.dtype == torch.float32
    assert torch.equal(buffer[:-1], weight.permute(0, 2, 3, 1).flatten())


def test_a_step_of_either_network_is_one_collective_of_all_its_gradients_and_values() -> None:
    twins = Twins()
    state, world = new_state(tiny(), CPU), World(0, 2, FlatAverage(twins, 2))
    parameters = [
        sum(parameter.numel() for parameter in network.parameters()) for network in (state.critic, state.generator)
    ]
    noise, stop = torch.randn(8, 6), torch.tensor(1.0)
    critic_step(state, WeightClipping(0.01), torch.randn(8, 1, 32, 32), noise, torch.rand(8), world=world)
    assert [buffer.numel() for buffer in twins.calls] == [parameters[0] + 2]  # the loss and the estimate
    generator_step(state, WeightClipping(0.01), noise, world=world, stop=stop)
    assert [buffer.numel() for buffer in twins.calls[1:]] == [parameters[1] + 2]  # the loss and the request to stop
    assert stop == 1.0


def test_the_buffer_of_a_network_is_kept() -> None:
    twins = Twins()
    average = FlatAverage(twins, 2)
    for _ in range(2):
        average([torch.ones(3), torch.ones(2, 2)])
    assert twins.calls[0].data_ptr() == twins.calls[1].data_ptr()
