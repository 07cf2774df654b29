"""Decode many files in parallel processes: the same order and the same pixels for any number of workers."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from wgan.data.decoded import Decoded
from wgan.data.images import Shape, shaped
from wgan.data.sample_range import scale_of
from wgan.data.source import EncodedImage, ImageArrays, ImageFiles
from wgan.errors import DataError

Item = TypeVar("Item")
Result = TypeVar("Result")
CHUNK = 32
"""Files a worker gets at a time."""
CHUNKS_IN_FLIGHT = 4
"""Chunks handed out ahead per worker; with `CHUNK`, bounds the memory."""


def decode_files(files: ImageFiles, shape: Shape, workers: int, limit: int) -> Iterator[Decoded]:
    """Decode the first `limit` files with at most `workers` processes, in order.

    Files without a declared sample range are all measured first, so that one range applies to the data set. Raises
    `DataError` naming the current files if a process dies.
    """
    workers = max(1, min(workers, -(-limit // CHUNK)))
    with _worker_processes(workers) as processes, ThreadPoolExecutor(workers) as threads:
        idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for process in processes:
            idle.put(process)

        def ask_one(request: tuple[str, list[EncodedImage], tuple[Any, ...]]) -> Any:
            process = idle.get()
            try:
                return _ask(process, *request)
            finally:
                idle.put(process)

        def ask_all(task: str, images: Iterable[EncodedImage], *arguments: Any) -> Iterator[Any]:
            requests = ((task, chunk, arguments) for chunk in _chunks(images))
            return in_order(threads, ask_one, requests, workers * CHUNKS_IN_FLIGHT)

        try:
            scale = scale_of(ask_all("measure", files.without_range))
            yield from ask_all("decode", islice(files.images, limit), shape, scale)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()


def decode_arrays(arrays: ImageArrays, shape: Shape, limit: int) -> Iterator[Decoded]:
    """Shape the first `limit` images of arrays, in this process: arrays are small and need no decoding."""
    left = limit
    for images, labels in arrays.batches:
        taken = images[:left]
        left -= len(taken)
        pixels = [shaped(image, shape) for image in taken]
        yield Decoded(np.stack(pixels), labels[: len(taken)].tolist(), [])
        if left == 0:
            return


def _chunks(images: Iterable[EncodedImage]) -> Iterator[list[EncodedImage]]:
    iterator = iter(images)
    return iter(lambda: list(islice(iterator, CHUNK)), [])


def in_order(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], window: int
) -> Iterator[Result]:
    """Like `executor.map`, but takes from `items` only what keeps `window` calls in flight."""
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(executor.submit(function, item))
        if len(pending) >= window:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


@contextmanager
def _worker_processes(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that wait for work; they are killed after the block."""
    command = [sys.executable, "-P", "-m", "wgan.data.decode_worker"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with ExitStack() as started:
        processes = []
        for _ in range(count):
            # In its own session, so that the caller handles Ctrl-C.
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, start_new_session=True)
            started.callback(_kill_worker, process)
            processes.append(process)
        yield processes


def _kill_worker(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with suppress(BrokenPipeError), process:  # input it has not read
        pass


def _ask(process: subprocess.Popen[bytes], task: str, chunk: list[EncodedImage], arguments: tuple[Any, ...]) -> Any:
    assert process.stdin
    assert process.stdout
    try:
        pickle.dump((task, arguments, chunk), process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
        return pickle.load(process.stdout)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):
        raise DataError(
            f"a decoding process ended ({_end(process.wait())}) at one of the files {chunk[0].name} to "
            f"{chunk[-1].name}: lower WGAN_PREPARE_WORKERS if memory is short, or remove the file that kills it."
        ) from None


def _end(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
