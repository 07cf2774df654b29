"""FID and Inception score as papers print them, through a network whose outputs have closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wgan.evaluation.metrics.frechet import moments
from wgan.evaluation.published import SPLITS, measure_published
from wgan.metric_text.summary import published_sentence

SHAPE = (1, 8, 8)
CLASSES = 4


def flat(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features: two pixels of the red channel. Logits: certain of one class, the brightness of the first pixel."""
    pixels = rgb[:, 0, 0, :2].float()
    certain = 20.0 * torch.nn.functional.one_hot(rgb[:, 0, 0, 0].long() % CLASSES, CLASSES)
    return pixels, certain


def drawn(seed: int, count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 200, (count, *SHAPE), dtype=np.uint8)


def drawn_of_one_class(seed: int, count: int) -> NDArray[np.uint8]:
    images = drawn(seed, count)
    images[:, 0, 0, 0] = 0
    return images


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return images[:, 0, 0, :2].astype(np.float64)


def all_parts(count: int, seed: int = 7) -> NDArray[np.uint8]:
    return np.concatenate([drawn(seed + part, 1000) for part in range(count // 1000)])


def test_equally_frequent_certain_classes_score_their_number() -> None:
    # exp(KL(p(y|x) ‖ p(y))) = exp(ln K) for K equally frequent classes that the network is certain of.
    numbers = measure_published(flat, moments(pixels(drawn(0, 500))), drawn, 500, 7, "cpu", generated=20_000)
    assert numbers.inception_score == pytest.approx(CLASSES, rel=0.01)
    assert numbers.splits == SPLITS


def test_one_class_scores_one() -> None:
    real = moments(pixels(drawn(0, 500)))
    numbers = measure_published(flat, real, drawn_of_one_class, 500, 7, "cpu", generated=2_000)
    assert numbers.inception_score == pytest.approx(1)
    assert numbers.inception_score_deviation == pytest.approx(0)


def test_the_distance_to_the_same_images_is_zero_and_a_shift_adds_its_square() -> None:
    same = pixels(all_parts(3_000))
    shift = np.array([3.0, 4.0])
    for real, distance in ((same, 0.0), (same + shift, 25.0)):
        numbers = measure_published(flat, moments(real), drawn, 3_000, 7, "cpu", generated=3_000)
        assert numbers.fid == pytest.approx(distance, abs=1e-6)


def test_every_generated_image_is_counted_once_in_parts_of_their_own_seeds() -> None:
    asked, counted = [], []

    def generate(seed: int, count: int) -> NDArray[np.uint8]:
        asked.append((seed, count))
        return drawn(seed, count)

    measure_published(flat, moments(pixels(drawn(0, 50))), generate, 50, 7, "cpu", counted.append, generated=2_500)
    assert asked == [(7, 1000), (8, 1000), (9, 500)]
    assert sum(counted) == 2_500


def test_the_sentence_names_both_sample_sizes() -> None:
    numbers = measure_published(flat, moments(pixels(drawn(0, 50))), drawn, 60_000, 7, "cpu", generated=2_000)
    assert "2,000 generated images against all 60,000 training images" in published_sentence(numbers)
