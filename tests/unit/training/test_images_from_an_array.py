"""Images from a numpy array: which arrays are accepted, and how others are refused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.tiny_training import tiny
from wgan.errors import UsageError
from wgan.training import ArrayImages, train


@pytest.mark.parametrize(
    ("shape", "channels"), [((5, 8, 8), 1), ((5, 8, 8, 1), 1), ((5, 8, 8, 3), 3), ((5, 1, 8, 8), 1), ((5, 3, 8, 8), 3)]
)
def test_every_usual_layout_is_accepted(shape: tuple[int, ...], channels: int) -> None:
    images = ArrayImages(np.zeros(shape, dtype=np.uint8))
    assert (images.count, images.channels, images.image_size) == (5, channels, 8)
    assert images.gather(np.array([4, 0])).shape == (2, channels, 8, 8)


def test_channels_at_the_end_are_moved_not_mixed() -> None:
    pixels = np.random.default_rng(0).integers(256, size=(5, 8, 8, 3), dtype=np.uint8)
    red = ArrayImages(pixels).gather(np.array([2]))[0, 0]
    assert (red == pixels[2, :, :, 0]).all()


@pytest.mark.parametrize("shape", [(5, 8), (5, 8, 9), (5, 8, 8, 2), (5, 4, 8, 8), (0, 8, 8)])
def test_arrays_that_are_not_square_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"are neither \(N, H, H\)"):
        ArrayImages(np.zeros(shape, dtype=np.uint8))


def test_numbers_that_are_not_bytes_are_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match="the images are float64; scale them"):
        ArrayImages(np.zeros((5, 8, 8)))


def test_the_digest_is_of_shape_and_pixels() -> None:
    pixels = np.arange(5 * 64, dtype=np.uint8).reshape(5, 8, 8)
    assert ArrayImages(pixels).digest == ArrayImages(pixels[..., None]).digest
    assert ArrayImages(pixels).digest != ArrayImages(pixels[::-1]).digest


def test_images_of_another_size_are_refused_before_the_training() -> None:
    with pytest.raises(
        UsageError, match=r"the images have image_size 8 and the configuration says data\.image_size=32"
    ):
        train(tiny(), ArrayImages(np.zeros((20, 8, 8), dtype=np.uint8)))
