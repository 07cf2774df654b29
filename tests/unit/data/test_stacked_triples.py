"""Stacked digits: each colour channel is a digit, and the label says which."""

from __future__ import annotations

import numpy as np

from wgan.data.sources.mnist import BATCH
from wgan.data.sources.stacked_mnist import CLASSES, stack_triples

LABELS = np.arange(10)
IMAGES = np.repeat(np.arange(10, dtype=np.uint8), 28 * 28).reshape(10, 28, 28)
"""Ten flat images, each with the value of its label."""


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    batches = list(stack_triples(IMAGES, LABELS, count, seed))
    return np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches])


def test_the_label_is_the_number_written_by_red_green_and_blue() -> None:
    images, labels = drawn(500, seed=0)
    assert images.shape == (500, 28, 28, 3)
    assert np.array_equal(images[:, 5, 5].astype(int) @ [100, 10, 1], labels)
    assert CLASSES[7] == "007"
    assert len(CLASSES) == 1000


def test_the_seed_decides_the_triples() -> None:
    assert np.array_equal(drawn(500, seed=3)[1], drawn(500, seed=3)[1])
    assert not np.array_equal(drawn(500, seed=3)[1], drawn(500, seed=4)[1])


def test_all_thousand_modes_are_equally_likely() -> None:
    """Chi-square of uniform counts, 999 degrees of freedom: mean 999, standard deviation √1998 ≈ 44.7."""
    count = 20 * BATCH
    counts = np.bincount(drawn(count, seed=0)[1], minlength=1000)
    statistic = ((counts - count / 1000) ** 2 / (count / 1000)).sum()
    assert abs(statistic - 999) < 5 * 44.7
