"""Encodes responses in the event loop, in a thread or, if expensive, in a process that can be killed."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wgan.errors import WganError
from wgan.serving import encode_process
from wgan.serving.child_process import start
from wgan.serving.encode_process import Answer, task_line
from wgan.serving.encoding import Encoding, encode
from wgan.serving.workload import Cost

INLINE_WORK = 2**15
"""Work below this takes less time than handing it to a thread."""
THREADS = 2
"""Threads for cheap encoding, besides the engine's."""

Result = TypeVar("Result")


class Encoder:
    """Encodes for one event loop; close it at the end."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "encoder")
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def encode(self, images: NDArray[np.uint8], encoding: Encoding, facts: dict[str, Any], cost: Cost) -> bytes:
        """The response's bytes. Cancelling stops an expensive encoding at once. Raises `TooLargePicture`."""
        if cost.expensive:
            async with self._turn:
                return await self._by_process(images, encoding, facts)
        if cost.work <= INLINE_WORK:
            return encode(images, encoding, facts)
        return await self.in_thread(partial(encode, images, encoding, facts))

    async def in_thread(self, work: partial[Result]) -> Result:
        """Run it in a thread, so that other requests continue."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def close(self) -> None:
        """Stop the threads and the process."""
        process = self._process
        self._end_process()
        if process is not None:
            await process.wait()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _by_process(self, images: NDArray[np.uint8], encoding: Encoding, facts: dict[str, Any]) -> bytes:
        if self._process is None:
            self._process = await start(encode_process.__name__)
        inwards, outwards = self._process.stdin, self._process.stdout
        assert inwards is not None
        assert outwards is not None
        try:
            inwards.write(task_line(images, encoding, facts))
            inwards.write(np.ascontiguousarray(images).data.cast("B"))
            await inwards.drain()
            answer = Answer.model_validate_json(await outwards.readline())
            body = await outwards.readexactly(answer.size)
        except BaseException as error:  # a disconnect, the deadline, the end of the process
            self._end_process()
            if isinstance(error, Exception):
                raise WganError("the encoding process ended unexpectedly.") from error
            raise
        if answer.error is not None:
            raise WganError(answer.error)
        return body

    def _end_process(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._process = None
