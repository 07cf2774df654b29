"""Batches that are read ahead equal those read one by one."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.unit.training.tiny_training import CPU, Blobs
from wgan.training import batches
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.read_ahead import ReadAhead
from wgan.training.world import ALONE

SECONDS = 30.0


def test_batches_read_ahead_are_the_same_across_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    images = Blobs(image_size=16)
    directly = RealBatches(images, DataOrder(images.count, 5, 1, ALONE), CPU)
    monkeypatch.setattr(batches, "READ_AHEAD_BYTES", 0)
    ahead = RealBatches(images, DataOrder(images.count, 5, 1, ALONE), CPU)
    steps = 3 * images.count // 5
    assert all(torch.equal(directly.batch(step), ahead.batch(step)) for step in range(steps))


def test_a_resumed_training_can_start_at_any_step() -> None:
    ahead = ReadAhead(lambda step: torch.tensor(step))
    assert [int(ahead.take(step)) for step in (0, 1, 40, 41, 7, 8, 8)] == [0, 1, 40, 41, 7, 8, 8]


def test_batches_are_read_ahead_up_to_the_depth() -> None:
    read: list[int] = []
    third = threading.Event()

    def reading(step: int) -> Tensor:
        read.append(step)
        if step == 2:
            third.set()
        return torch.tensor(step)

    ahead = ReadAhead(reading, depth=2)
    ahead.take(0)
    assert third.wait(SECONDS)
    assert read == [0, 1, 2]


def test_one_background_thread_reads() -> None:
    threads = set()

    def reading(step: int) -> Tensor:
        threads.add(threading.get_ident())
        return torch.tensor(step)

    ahead = ReadAhead(reading)
    for step in range(20):
        ahead.take(step)
    assert len(threads) == 1
    assert threading.get_ident() not in threads


class Unreadable(Blobs):
    """Images whose third batch cannot be read."""

    def __init__(self) -> None:
        super().__init__(image_size=16)
        self.reads = 0

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        self.reads += 1
        if self.reads == 3:
            raise OSError("the disk is gone")
        return super().gather(indices)


def test_a_batch_that_cannot_be_read_fails_the_step_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "READ_AHEAD_BYTES", 0)
    images = Unreadable()
    real = RealBatches(images, DataOrder(images.count, 8, 1, ALONE), CPU)
    real.batch(0)
    real.batch(1)
    with pytest.raises(OSError, match="the disk is gone"):
        real.batch(2)
