"""Decode many files in parallel processes: the same order and the same pixels for any number of workers."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wgan.data.images import BadImage, Shape, decode, shaped
from wgan.data.source import EncodedImage, ImageArrays, ImageFiles
from wgan.errors import DataError

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 32
"""Files a worker gets at a time."""
CHUNKS_IN_FLIGHT = 4
"""Chunks per worker that are handed out ahead; with `CHUNK` this bounds the memory."""


@dataclass(frozen=True)
class Decoded:
    """A run of consecutive files or array rows."""

    pixels: NDArray[np.uint8]
    """The good ones, (n, C, H, W)."""
    labels: list[int]
    """Of the good ones; -1 where the data has no labels."""
    bad: list[tuple[str, str]]
    """Name and reason of the others."""


def decode_files(files: ImageFiles, shape: Shape, workers: int, limit: int) -> Iterator[Decoded]:
    """Decode the first `limit` files with at most `workers` processes, in order.

    Raises `DataError` when a process dies.
    """
    chunks = _chunks(islice(files.images, limit))
    workers = max(1, min(workers, -(-limit // CHUNK)))
    # Not fork: the caller may have threads (a Prefect worker), whose locks a forked child would inherit held.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_follow_the_parent)
    try:
        yield from in_order(pool, partial(_decode_chunk, shape), chunks, workers * CHUNKS_IN_FLIGHT)
    except BrokenProcessPool:
        raise DataError(
            "a process that decodes images died (out of memory, or a start script without "
            '`if __name__ == "__main__":`): set WGAN_PREPARE_WORKERS lower, or find the file that kills it.'
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def decode_arrays(arrays: ImageArrays, shape: Shape, limit: int) -> Iterator[Decoded]:
    """Shape the first `limit` images of arrays, in this process: they are small and need no decoding."""
    from PIL import Image

    left = limit
    for images, labels in arrays.batches:
        taken = images[:left]
        left -= len(taken)
        pixels = [shaped(Image.fromarray(image), shape) for image in taken]
        yield Decoded(np.stack(pixels), labels[: len(taken)].tolist(), [])
        if left == 0:
            return


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


def _chunks(images: Iterator[EncodedImage]) -> Iterator[list[EncodedImage]]:
    while chunk := list(islice(images, CHUNK)):
        yield chunk


def _decode_chunk(shape: Shape, chunk: list[EncodedImage]) -> Decoded:
    pixels, labels, bad = [], [], []
    for image in chunk:
        try:
            pixels.append(_decode_one(image, shape))
            labels.append(image.label)
        except BadImage as error:
            bad.append((image.name, str(error)))
    empty = np.empty((0, shape.channels, shape.image_size, shape.image_size), dtype=np.uint8)
    return Decoded(np.stack(pixels) if pixels else empty, labels, bad)


def _decode_one(image: EncodedImage, shape: Shape) -> NDArray[np.uint8]:
    content = image.content
    if image.refused:
        raise BadImage(image.refused)
    if isinstance(content, Path) and image.sha256 is not None:
        try:
            with content.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BadImage(f"not readable: {error.strerror}") from None
        if found != image.sha256:
            raise BadImage("changed while it was being prepared")
    return decode(content, shape)


def _follow_the_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
