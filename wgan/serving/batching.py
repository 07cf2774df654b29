"""Micro-batching: concurrent small requests share a forward pass, large ones take turns with them."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wgan.errors import WganError
from wgan.pixels import to_bytes
from wgan.serving.engine import Engine
from wgan.serving.metrics import Metrics


class QueueFull(WganError):
    """Too many images are waiting."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many images are waiting: try again in {retry_after} s.")
        self.retry_after = retry_after
        """Whole seconds until what waits now should be done."""


class NotFinite(WganError):
    """These latents give pixels that are not numbers."""


@dataclass(eq=False)
class Job:
    """The rows of one request; done when all its images are."""

    engine: Engine
    latents: NDArray[np.float32]
    images: NDArray[np.uint8]
    done: asyncio.Future[None]
    row: int = 0
    """Rows before this one are drawn."""

    @property
    def left(self) -> int:
        return len(self.latents) - self.row


@dataclass(eq=False)
class Batcher:
    """One queue in front of one engine thread. Everything but the forward pass happens in the event loop.

    A pass takes rows of one model from several jobs in turn, an equal share each, so that a request for one image
    waits for at most one pass, not for the 512 images before it. A job that is cancelled takes no further pass.
    """

    max_batch: int
    wait_seconds: float
    capacity: int
    metrics: Metrics
    _jobs: deque[Job] = field(default_factory=deque)
    _unseen: deque[Job] = field(default_factory=deque)
    """Shadow jobs: only when nobody waits for anything."""
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "engine"))
    _seconds_per_image: float = 0.01
    _shared: bool = False
    """Whether the last pass was shared by several jobs, so that waiting for more is worth it."""

    @property
    def waiting(self) -> int:
        """Images that wait for a pass."""
        return sum(job.left for job in self._jobs)

    @property
    def idle(self) -> bool:
        """Whether no request waits."""
        return not self._jobs

    async def draw(self, engine: Engine, latents: NDArray[np.float32], unseen: bool = False) -> NDArray[np.uint8]:
        """Noise (N, z), float32, to images (N, C, H, W), uint8. Cancelling it takes the rest out of the queue.

        Raises `QueueFull`, `NotFinite`.
        """
        queue = self._unseen if unseen else self._jobs
        waiting = sum(job.left for job in queue)
        if waiting + len(latents) > self.capacity:
            raise QueueFull(max(1, math.ceil(waiting * self._seconds_per_image)))
        images = np.empty((len(latents), *engine.image_shape), dtype=np.uint8)
        job = Job(engine, latents, images, asyncio.get_running_loop().create_future())
        queue.append(job)
        self._changed()
        self._arrived.set()
        try:
            await job.done
        finally:
            if not job.done.done() or job.done.cancelled():
                self.metrics.abandoned.inc(job.left)
            with suppress(ValueError):
                queue.remove(job)
            self._changed()
        return images

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            if self._shared and self.wait_seconds and self.waiting < self.max_batch:
                await asyncio.sleep(self.wait_seconds)
            parts = self._take()
            if not parts:
                self._arrived.clear()
                continue
            engine = parts[0][0].engine
            rows = np.concatenate([job.latents[job.row : job.row + count] for job, count in parts])
            started = time.monotonic()
            try:
                images, finite = await loop.run_in_executor(self._runner, _draw, engine, rows)
            except Exception as error:  # ONNX Runtime raises a class of its own for every kind of failure
                reason = " ".join(str(error).split())[:200]
                for job, _ in parts:
                    self._fail(job, WganError(f"the model failed: {reason}."))
                continue
            self._note(len(rows), time.monotonic() - started, len(parts))
            self._hand_out(parts, images, finite)

    def close(self) -> None:
        """End the engine thread."""
        self._runner.shutdown(wait=True, cancel_futures=True)

    def _take(self) -> list[tuple[Job, int]]:
        """The next pass: (job, how many of its rows). Jobs served go to the back of the queue."""
        queue = self._jobs or self._unseen
        if not queue:
            return []
        engine = queue[0].engine
        jobs = [job for job in queue if job.engine is engine]
        size = engine.batch_size_for(min(self.max_batch, sum(job.left for job in jobs)))
        counts = _shares([job.left for job in jobs], size)
        parts = [(job, count) for job, count in zip(jobs, counts, strict=True) if count]
        for job, count in parts:
            queue.remove(job)
            if count < job.left:
                queue.append(job)
        return parts

    def _hand_out(self, parts: list[tuple[Job, int]], images: NDArray[np.uint8], finite: NDArray[np.bool_]) -> None:
        start = 0
        for job, count in parts:
            part = slice(start, start + count)
            start += count
            if not finite[part].all():
                self._fail(job, NotFinite("these latents give no finite image."))
                continue
            job.images[job.row : job.row + count] = images[part]
            job.row += count
            if not job.left and not job.done.done():
                job.done.set_result(None)
        self._changed()

    def _fail(self, job: Job, error: WganError) -> None:
        for queue in (self._jobs, self._unseen):
            with suppress(ValueError):
                queue.remove(job)
        if not job.done.done():
            job.done.set_exception(error)

    def _note(self, rows: int, seconds: float, jobs: int) -> None:
        self._seconds_per_image += 0.2 * (seconds / rows - self._seconds_per_image)
        self._shared = jobs > 1
        self.metrics.batch_images.observe(rows)

    def _changed(self) -> None:
        self.metrics.queue_images.set(self.waiting)


def _shares(wanted: list[int], size: int) -> list[int]:
    """Divide `size` rows over jobs that want some: equal shares first, what is left over to the first in line."""
    counts = [0] * len(wanted)
    left = size
    while left:
        open_jobs = [index for index, want in enumerate(wanted) if counts[index] < want]
        share = max(1, left // len(open_jobs))
        for index in open_jobs:
            more = min(share, wanted[index] - counts[index], left)
            counts[index] += more
            left -= more
            if not left:
                break
    return counts


def _draw(engine: Engine, latents: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The images as bytes, and for each whether all its pixels are numbers."""
    images = engine.generator.decode(latents)
    finite = np.array([np.isfinite(image).all() for image in images], dtype=np.bool_)
    return to_bytes(images if finite.all() else np.nan_to_num(images)), finite
