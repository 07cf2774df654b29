"""Estimates a response's cost in advance and schedules it: cheap ones do not wait for expensive ones."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from wgan.errors import UsageError
from wgan.serving.batching import QueueFull
from wgan.serving.encoding import Encoding

CHEAP_WORK = 2**18
"""Maximum work of a cheap request: a PNG of 21 images of 64×64 in colour."""
MOST_WORK = 2**27
"""Maximum work of one response: about ten seconds of one CPU core."""
WAITING_WORK = 2 * MOST_WORK
"""Maximum queued work; more is answered with 429."""
WORK_PER_SECOND = 1e7
"""Approximate work per second of one CPU core; only used for Retry-After."""
RUNNING = 2
"""Concurrent expensive requests: one is generated while another is encoded."""


@dataclass(frozen=True)
class Cost:
    """What a response costs."""

    values: int
    """Count × channels × height × width × scale²: bytes of its pixels."""
    work: int
    """Values, weighted by the format's time per value; 1 is a PNG's."""
    expensive: bool

    @classmethod
    def of(cls, count: int, image_shape: tuple[int, int, int], encoding: Encoding, max_batch: int) -> Cost:
        """Of `count` images (C, H, W) in the encoding, generated in passes of at most `max_batch`."""
        values = count * math.prod(image_shape) * encoding.scale**2
        work = round(values * encoding.weight)
        return cls(values, work, expensive=work > CHEAP_WORK or count > max_batch)


@dataclass
class Workload:
    """Limits all responses being generated and sent. For one event loop."""

    most_values: int
    """Maximum values of a response, and of all cheap responses together; all expensive ones may have twice as many."""
    cheap_values: int = 0
    expensive_values: int = 0
    waiting_work: int = 0
    _running: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RUNNING))

    def max_count(self, image_shape: tuple[int, int, int], max_count: int, scale: int = 1) -> int:
        """Maximum images of that shape (C, H, W) at that scale in one response, as advertised and enforced.

        Raises `UsageError` if not even one fits at that scale.
        """
        values = math.prod(image_shape)
        largest = max(1, math.isqrt(self.most_values // values))
        if scale > largest:
            raise UsageError(f"scale: at most {largest} for images of {image_shape[1]}×{image_shape[2]} pixels.")
        return max(1, min(max_count, self.most_values // (values * scale**2)))

    def check(self, name: str, count: int, cost: Cost, most: int) -> None:
        """Raises `UsageError` if a response has more than `most` images or takes more work than allowed."""
        if cost.work > MOST_WORK:
            most = min(most, int(min(count, most + 1) * MOST_WORK / cost.work))
        if count > most:
            raise UsageError(f"{name}: at most {most} such images are made at once.")

    @asynccontextmanager
    async def admitted(self, cost: Cost) -> AsyncIterator[None]:
        """Reserve the response's memory from generation to its last byte. Raises `QueueFull`."""
        held = self.expensive_values if cost.expensive else self.cheap_values
        most = 2 * self.most_values if cost.expensive else self.most_values
        if held + cost.values > most:
            raise QueueFull(_seconds(self.waiting_work + cost.work))
        self._hold(cost, cost.values)
        try:
            yield
        finally:
            self._hold(cost, -cost.values)

    @asynccontextmanager
    async def turn(self, cost: Cost) -> AsyncIterator[None]:
        """Wait for an expensive request's turn; a cheap one does not wait. Raises `QueueFull`."""
        if not cost.expensive:
            yield
            return
        if self.waiting_work + cost.work > WAITING_WORK:
            raise QueueFull(_seconds(self.waiting_work))
        self.waiting_work += cost.work
        try:
            await self._running.acquire()
        finally:
            self.waiting_work -= cost.work
        try:
            yield
        finally:
            self._running.release()

    def _hold(self, cost: Cost, values: int) -> None:
        if cost.expensive:
            self.expensive_values += values
        else:
            self.cheap_values += values


def _seconds(work: float) -> int:
    return max(1, math.ceil(work / WORK_PER_SECOND))
