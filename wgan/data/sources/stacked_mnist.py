"""`stacked-mnist`: three random MNIST digits as the colour channels of one image, a thousand modes.

After Metz et al., "Unrolled Generative Adversarial Networks" (ICLR 2017). Triples are drawn from MNIST's training set,
those of the test split from its test set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan.data.source import ImageArrays, Source, content_digest
from wgan.data.sources.mnist import BATCH, Split, read_split, split_digest
from wgan.download.access import Access

CLASSES = tuple(f"{label:03d}" for label in range(1000))
TEST_TRIPLES = 10_000


def stacked_mnist_source(count: int, seed: int, access: Access) -> Source:
    """`count` triples, identified by MNIST's checksums, the count and the seed."""

    def open_stacked(scratch: Path) -> ImageArrays:
        def opened(split: Split, triples: int) -> ImageArrays:
            images, labels = read_split("mnist", split, access)
            return ImageArrays(triples, CLASSES, stack_triples(images, labels, triples, seed))

        return replace(opened("train", count), open_test_split=lambda: opened("test", TEST_TRIPLES))

    def digest(split: Split, triples: int) -> str:
        return content_digest(source="stacked-mnist", digits=split_digest("mnist", split), count=triples, seed=seed)

    return Source(digest("train", count), None, count, open_stacked, test_split_digest=digest("test", TEST_TRIPLES))


def stack_triples(
    images: NDArray[np.uint8], labels: NDArray[np.int64], count: int, seed: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Batches of (n, H, W, 3) images and labels 100·a + 10·b + c, where a, b, c are the digits in R, G and B."""
    generator = np.random.Generator(np.random.Philox(seed))
    for start in range(0, count, BATCH):
        chosen = generator.integers(len(images), size=(min(BATCH, count - start), 3))
        yield images[chosen].transpose(0, 2, 3, 1).copy(), labels[chosen] @ np.array([100, 10, 1])
