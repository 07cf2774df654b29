"""What the report knows of each image, measured in one pass over the shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wgan.data.copies import Hashes, grey_levels, hash_images, joined
from wgan.data.dataset import PreparedImages
from wgan.data.decoding import in_order

BATCH = 256
PERCENT = 0.01
"""Share of an image's pixels that may be brighter, or darker, than what counts as its brightest and darkest."""


@dataclass(frozen=True)
class Measures:
    """n images, in the order of the shards."""

    hashes: Hashes
    darkest: NDArray[np.uint8]
    """The grey level that 1 % of the pixels do not exceed; (n,)."""
    brightest: NDArray[np.uint8]
    """The grey level that 1 % of the pixels exceed; (n,)."""
    sharpness: NDArray[np.float32]
    """Standard deviation of the Laplacian over that of the grey levels: small where there are no fine details; (n,)."""
    colour: NDArray[np.float32]
    """Mean difference of a pixel's largest and smallest channel, in levels of 255; 0 with one channel; (n,)."""


def measure_images(images: PreparedImages, workers: int, advance: Callable[[int], None]) -> Measures:
    """Measure every image in `workers` threads; `advance(images)` is called after each batch.

    Memory grows by some tens of bytes per image.
    """

    def measure(start: int) -> Measures:
        return _measure(images.gather(np.arange(start, min(start + BATCH, images.count))))

    parts = []

    def hashes() -> Iterator[Hashes]:
        with ThreadPoolExecutor(workers) as threads:
            for part in in_order(threads, measure, range(0, images.count, BATCH), 2 * workers):
                parts.append((part.darkest, part.brightest, part.sharpness, part.colour))
                advance(len(part.colour))
                yield part.hashes

    together = joined(hashes())
    return Measures(together, *(np.concatenate(column) for column in zip(*parts, strict=True)))


def _measure(batch: NDArray[np.uint8]) -> Measures:
    grey = grey_levels(batch)
    colour = (batch.max(axis=1) - batch.min(axis=1)).mean(axis=(1, 2), dtype=np.float32)
    # A stable sort of bytes is a radix sort.
    levels = np.sort(grey.reshape(len(batch), -1).astype(np.uint8), axis=1, kind="stable")
    few = int(levels.shape[1] * PERCENT)
    darkest, brightest = levels[:, few].copy(), levels[:, -1 - few].copy()  # a view would keep all levels in memory
    return Measures(hash_images(batch), darkest, brightest, _sharpness(grey), colour)


def _sharpness(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    inner = grey[:, 1:-1, 1:-1]
    laplacian = 4 * inner - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2] - grey[:, 1:-1, 2:]
    ratio: NDArray[np.float32] = laplacian.std(axis=(1, 2)) / np.maximum(grey.std(axis=(1, 2)), 1e-6)
    return ratio
