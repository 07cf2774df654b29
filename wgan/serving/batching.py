"""Micro-batching: concurrent small requests share a forward pass, large ones alternate with them."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from wgan.errors import WganError
from wgan.pixels import to_bytes
from wgan.serving.engine import Engine
from wgan.serving.metrics import Metrics
from wgan.telemetry import is_tracing, record

BULK_PASS_SECONDS = 0.006
"""Approximate limit of a bulk job's pass, in seconds, while small jobs keep arriving."""
SMALL_RECENTLY = 2.0
"""Seconds after the last small job during which small jobs count as arriving."""


class QueueFull(WganError):
    """Too many images are waiting."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many images are waiting: try again in {retry_after} s.")
        self.retry_after = retry_after
        """Whole seconds until the current queue should be done."""


class NotFinite(WganError):
    """These latents produce NaN or infinite pixels."""


@dataclass(frozen=True)
class Pass:
    """A job's share of a forward pass, for traces."""

    began: int
    ended: int
    """Nanoseconds since the epoch."""
    images: int
    """Rows of the job."""
    batch_size: int
    requests: int
    """Jobs in the pass."""


@dataclass(eq=False)
class Job:
    """The rows of one request; done when all its images are generated."""

    engine: Engine
    latents: NDArray[np.float32]
    images: NDArray[np.uint8]
    done: asyncio.Future[None]
    row: int = 0
    """Number of rows already generated."""
    passes: list[Pass] = field(default_factory=list)
    """Its passes so far; recorded only for traces."""

    @property
    def left(self) -> int:
        return len(self.latents) - self.row


@dataclass(eq=False)
class Batcher:
    """One queue in front of one engine thread. Everything but the forward pass happens in the event loop.

    A pass takes rows of one model from several jobs, an equal share each. A job with more images than a pass is a bulk
    job: a small one waits for at most one of its passes, which is then short. A cancelled job takes no further pass.
    """

    max_batch: int
    wait_seconds: float
    capacity: int
    metrics: Metrics
    model: str = ""
    """Its name in the metrics."""
    _jobs: deque[Job] = field(default_factory=deque)
    _shadows: deque[Job] = field(default_factory=deque)
    """Jobs that run only when no other job waits."""
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "engine"))
    pass_seconds: float = 30.0
    """Timeout of a forward pass, in seconds."""
    _seconds_per_image: float = 0.01
    _small_seen: float = -math.inf
    """When a small job last had a pass, in monotonic seconds."""
    _was_small: bool = False
    """Whether the last pass served small jobs."""
    _shared: bool = False
    """Whether the last pass was shared by several jobs, so that waiting for more is worth it."""

    @property
    def waiting(self) -> int:
        """Number of images waiting for a pass."""
        return sum(job.left for job in self._jobs)

    @property
    def idle(self) -> bool:
        """Whether no request waits."""
        return not self._jobs

    async def draw(self, engine: Engine, latents: NDArray[np.float32], shadow: bool = False) -> NDArray[np.uint8]:
        """Noise (N, z), float32, to images (N, C, H, W), uint8. Cancelling removes the remaining rows from the queue.

        Raises `QueueFull`, `NotFinite`.
        """
        queue = self._shadows if shadow else self._jobs
        waiting = sum(job.left for job in queue)
        if waiting + len(latents) > self.capacity:
            raise QueueFull(max(1, math.ceil(waiting * self._seconds_per_image)))
        images = np.empty((len(latents), *engine.image_shape), dtype=np.uint8)
        job = Job(engine, latents, images, asyncio.get_running_loop().create_future())
        queued = time.time_ns()
        queue.append(job)
        self._changed()
        self._arrived.set()
        try:
            await job.done
        finally:
            if not job.done.done() or job.done.cancelled():
                self.metrics.abandoned.labels(self.model).inc(job.left)
            if job in queue:  # a failing remove() would format the whole job, arrays and all, for its message
                queue.remove(job)
            self._changed()
            _trace(job, queued, waiting)
        return images

    async def run(self) -> None:
        """Work until cancelled."""
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
            started, began = time.monotonic(), time.time_ns()
            try:
                images, finite = await self._run_pass(engine, rows)
            except Exception as error:  # ONNX Runtime's errors have no common base class
                reason = " ".join(str(error).split())[:200]
                for job, _ in parts:
                    self._fail(job, WganError(f"the model failed: {reason}."))
                continue
            self._note(len(rows), time.monotonic() - started, len(parts))
            if is_tracing():
                for job, count in parts:
                    job.passes.append(Pass(began, time.time_ns(), count, len(rows), len(parts)))
            self._hand_out(parts, images, finite)

    def close(self) -> None:
        """Stop the engine thread."""
        self._runner.shutdown(wait=True, cancel_futures=True)

    async def _run_pass(self, engine: Engine, rows: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """One forward pass in the engine thread; it is terminated if it takes too long or nobody waits for it."""
        options = onnxruntime.RunOptions()
        work = asyncio.get_running_loop().run_in_executor(self._runner, _draw, engine, rows, options)
        try:
            done, _ = await asyncio.wait({work}, timeout=self.pass_seconds)
        except asyncio.CancelledError:
            options.terminate = True
            raise
        if not done:
            options.terminate = True
            await asyncio.wait({work})
            raise WganError(f"a forward pass took more than {self.pass_seconds:g} s")
        return work.result()

    def _take(self) -> list[tuple[Job, int]]:
        """The next pass: (job, number of its rows). Jobs served go to the back of the queue.

        Small jobs come first, and a bulk job gets every second pass. While small ones keep arriving, a bulk pass is
        short.
        """
        queue = self._jobs or self._shadows
        if not queue:
            return []
        small = [job for job in queue if len(job.latents) <= self.max_batch]
        bulk = [job for job in queue if len(job.latents) > self.max_batch]
        now, most = time.monotonic(), self.max_batch
        if small:
            self._small_seen = now
        jobs = small if small and not (bulk and self._was_small) else bulk
        self._was_small = jobs is small
        if jobs is bulk and now - self._small_seen < SMALL_RECENTLY:
            most = min(most, max(1, int(BULK_PASS_SECONDS / self._seconds_per_image)))
        engine = jobs[0].engine
        jobs = [job for job in jobs if job.engine is engine]
        size = engine.batch_size_for(min(most, sum(job.left for job in jobs)))
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
        for queue in (self._jobs, self._shadows):
            if job in queue:
                queue.remove(job)
        if not job.done.done():
            job.done.set_exception(error)

    def _note(self, rows: int, seconds: float, jobs: int) -> None:
        self._seconds_per_image += 0.2 * (seconds / rows - self._seconds_per_image)
        self._shared = jobs > 1
        self.metrics.batch_images.labels(self.model).observe(rows)

    def _changed(self) -> None:
        self.metrics.queue_images.labels(self.model).set(self.waiting)


def _trace(job: Job, queued: int, waiting: int) -> None:
    """Record the job's time in the queue, and its passes."""
    if is_tracing():
        record("queue", queued, job.passes[0].began if job.passes else time.time_ns(), images_before=waiting)
        for each in job.passes:
            counts = {"images": each.images, "batch_size": each.batch_size, "requests": each.requests}
            record("pass", each.began, each.ended, **counts)


def _shares(wanted: list[int], size: int) -> list[int]:
    """Divide `size` rows among jobs: equal shares first, the remainder to the first in the queue."""
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


def _draw(
    engine: Engine, latents: NDArray[np.float32], options: onnxruntime.RunOptions
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The images as bytes, and for each whether all its pixels are finite."""
    images = engine.generator.decode(latents, options)
    finite = np.array([np.isfinite(image).all() for image in images], dtype=np.bool_)
    return to_bytes(images if finite.all() else np.nan_to_num(images)), finite
