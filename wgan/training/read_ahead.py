"""Reads batches ahead, while the previous step computes, in the order they are taken."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

DEPTH = 2
"""Batches ready or being read besides the one taken; bounds the memory they use."""


class ReadAhead:
    """Calls `read(step)` in one thread for the coming steps.

    The values are those of `read`; only the time of reading changes. Taking a step other than the next one is allowed,
    as on resume, and blocks until its batch is read.
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
