"""Batches that are read while the step before computes, in the order in which they are taken."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

DEPTH = 2
"""Batches that are ready or being read beside the one that is taken: what the memory for them is bounded by."""


class ReadAhead:
    """`read(step)`, called by one thread for the steps that come next.

    The values are those of `read`, whatever the thread has done: only when they are read changes. Taking another step
    than the next one is allowed, as when a training resumes, and waits for its batch.
    """

    def __init__(self, read: Callable[[int], Tensor], depth: int = DEPTH) -> None:
        self._read, self._depth = read, depth
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")  # one: `read` need not be thread-safe
        self._coming: dict[int, Future[Tensor]] = {}

    def take(self, step: int) -> Tensor:
        """The batch of the step. Raises what reading it raised."""
        wanted = range(step, step + self._depth + 1)
        for passed in [number for number in self._coming if number not in wanted]:
            self._coming.pop(passed).cancel()
        for number in wanted:
            if number not in self._coming:
                self._coming[number] = self._reader.submit(self._read, number)
        return self._coming.pop(step).result()
