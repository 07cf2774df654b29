"""Decode many files in parallel processes: the same order and the same pixels for any number of workers."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from queue import SimpleQueue

import numpy as np
from PIL import Image

from wgan.data.decoded import Decoded
from wgan.data.images import Shape, shaped
from wgan.data.in_order import in_order
from wgan.data.source import EncodedImage, ImageArrays, ImageFiles
from wgan.errors import DataError

CHUNK = 32
"""Files a worker gets at a time."""
CHUNKS_IN_FLIGHT = 4
"""Chunks per worker that are handed out ahead; with `CHUNK` this bounds the memory."""


def decode_files(files: ImageFiles, shape: Shape, workers: int, limit: int) -> Iterator[Decoded]:
    """Decode the first `limit` files with at most `workers` processes, in order.

    Raises `DataError` naming the files in hand when a process dies.
    """
    images = islice(files.images, limit)
    chunks = iter(lambda: list(islice(images, CHUNK)), [])
    workers = max(1, min(workers, -(-limit // CHUNK)))
    with _worker_processes(workers) as processes, ThreadPoolExecutor(workers) as threads:
        idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for process in processes:
            idle.put(process)

        def ask_one(chunk: list[EncodedImage]) -> Decoded:
            process = idle.get()
            try:
                return _ask(process, shape, chunk)
            finally:
                idle.put(process)

        try:
            yield from in_order(threads, ask_one, chunks, workers * CHUNKS_IN_FLIGHT)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()


def decode_arrays(arrays: ImageArrays, shape: Shape, limit: int) -> Iterator[Decoded]:
    """Shape the first `limit` images of arrays, in this process: they are small and need no decoding."""
    left = limit
    for images, labels in arrays.batches:
        taken = images[:left]
        left -= len(taken)
        pixels = [shaped(Image.fromarray(image), shape) for image in taken]
        yield Decoded(np.stack(pixels), labels[: len(taken)].tolist(), [])
        if left == 0:
            return


@contextmanager
def _worker_processes(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that wait for work; kill them in the block, they are buried after it."""
    command = [sys.executable, "-P", "-m", "wgan.data.decode_worker"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with ExitStack() as started:
        processes = []
        for _ in range(count):
            # A session of its own: Ctrl-C is the caller's to handle.
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, start_new_session=True)
            started.callback(_bury, process)
            processes.append(process)
        yield processes


def _bury(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with suppress(BrokenPipeError), process:  # what it had no time to read
        pass


def _ask(process: subprocess.Popen[bytes], shape: Shape, chunk: list[EncodedImage]) -> Decoded:
    assert process.stdin
    assert process.stdout
    try:
        pickle.dump((shape, chunk), process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
        decoded: Decoded = pickle.load(process.stdout)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):
        raise DataError(
            f"a process that decodes images ended ({_end(process.wait())}) at one of the files {chunk[0].name} to "
            f"{chunk[-1].name}: set WGAN_PREPARE_WORKERS lower when memory is short, or remove the file that kills it."
        ) from None
    return decoded


def _end(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
