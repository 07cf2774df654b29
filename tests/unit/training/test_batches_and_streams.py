"""The order of the data and the random streams are functions of seed, rank and step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from tests.unit.training.tiny_training import CPU, Blobs
from wgan.pixels import to_bytes
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.streams import Purpose, normal, torch_stream
from wgan.training.world import ALONE, World


def test_an_epoch_visits_every_image_once() -> None:
    order = DataOrder(count=40, batch_size=8, seed=1, world=ALONE)
    visited = np.concatenate([order.indices(step) for step in range(5)])
    assert sorted(visited) == list(range(40))


def test_epochs_follow_each_other_without_dropping_a_short_batch() -> None:
    order = DataOrder(count=10, batch_size=4, seed=1, world=ALONE)
    visited = np.concatenate([order.indices(step) for step in range(5)])
    assert sorted(visited[:10]) == sorted(visited[10:]) == list(range(10))


def test_epochs_and_seeds_have_different_orders() -> None:
    orders = [DataOrder(40, 40, seed, ALONE).indices(epoch).tolist() for seed, epoch in ((1, 0), (1, 1), (2, 0))]
    assert all(first != second for first, second in pairwise(orders))
    assert orders[0] != list(range(40))


def test_a_batch_may_be_larger_than_the_data_set() -> None:
    indices = DataOrder(count=3, batch_size=8, seed=1, world=ALONE).indices(0)
    assert np.bincount(indices).tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])


def test_a_batch_does_not_depend_on_earlier_ones() -> None:
    onwards, direct = DataOrder(40, 8, 1, ALONE), DataOrder(40, 8, 1, ALONE)
    for step in range(9):
        onwards.indices(step)
    assert np.array_equal(onwards.indices(9), direct.indices(9))


def test_ranks_divide_an_epoch() -> None:
    ranks = [DataOrder(48, 8, 1, World(rank, 3)) for rank in range(3)]
    visited = np.concatenate([rank.indices(step) for step in range(2) for rank in ranks])
    assert sorted(visited) == list(range(48))


def test_bytes_become_the_range_of_tanh_and_are_recovered() -> None:
    images = Blobs(image_size=16)
    images.images = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(8, axis=0)
    batch = RealBatches(images, DataOrder(8, 8, 0, ALONE), CPU).batch(0)
    assert batch.dtype == torch.float32
    assert (batch.min(), batch.max()) == (-1, 1)
    assert np.array_equal(to_bytes(batch.numpy()), images.images)


def test_a_stream_is_reproducible_and_distinct() -> None:
    def draw(seed: int, purpose: Purpose, rank: int, step: int) -> list[float]:
        drawn: list[float] = normal((4,), CPU, seed, purpose, rank, step).tolist()
        return drawn

    first = (1, Purpose.CRITIC_NOISE, 0, 0)
    others = [(2, Purpose.CRITIC_NOISE, 0, 0), (1, Purpose.GENERATOR_NOISE, 0, 0), (1, Purpose.CRITIC_NOISE, 1, 0),
              (1, Purpose.CRITIC_NOISE, 0, 1)]  # fmt: skip
    assert draw(*first) == draw(*first)
    assert len({tuple(draw(*stream)) for stream in [first, *others]}) == 5


def test_drawing_does_not_change_torchs_global_stream() -> None:
    before = torch.get_rng_state()
    normal((4,), CPU, 1, Purpose.CRITIC_NOISE, 0, 0)
    torch_stream(1, Purpose.CRITIC_WEIGHTS)
    assert torch.equal(before, torch.get_rng_state())
