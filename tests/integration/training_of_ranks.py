"""Several ranks in one process, a thread each, that add their tensors at a barrier."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from torch import Tensor

from wgan.training.all_reduce import FlatAverage
from wgan.training.world import World

T = TypeVar("T")


def on_ranks(size: int, work: Callable[[World], T]) -> list[T]:
    """Call `work` with the World of each rank, at the same time; the results by rank."""
    barrier = threading.Barrier(size, timeout=120)
    shared: dict[int, Tensor] = {}

    def all_reduce(rank: int, buffer: Tensor) -> None:
        shared[rank] = buffer.clone()
        barrier.wait()
        total = shared[0].clone()
        for other in range(1, size):
            total += shared[other]
        barrier.wait()
        buffer.copy_(total)

    def run(rank: int) -> T:
        try:
            return work(World(rank, size, FlatAverage(lambda buffer: all_reduce(rank, buffer), size)))
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(size) as threads:
        return list(threads.map(run, range(size)))
