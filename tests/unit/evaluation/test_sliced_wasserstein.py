"""The sliced Wasserstein distance against the published code's steps in scipy, and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import wasserstein_distance

from tests.unit.evaluation.example_images import digits
from wgan.evaluation.metrics.sliced import (
    PATCH,
    PATCHES,
    PROJECTIONS,
    directions,
    laplacian_pyramid,
    patch_places,
    sliced_wasserstein,
    sorted_projections,
)

GAUSSIAN = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def noise(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def published_pyramid(images: NDArray[np.float32], levels: int) -> list[NDArray[np.float32]]:
    """`generate_laplacian_pyramid` of Karras et al.'s `sliced_wasserstein.py`, in scipy as there."""

    def convolved(minibatch: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
        return ndimage.convolve(minibatch, GAUSSIAN[None, None].astype(np.float32) * scale, mode="mirror")

    def up(minibatch: NDArray[np.float32]) -> NDArray[np.float32]:
        count, channels, height, width = minibatch.shape
        result = np.zeros((count, channels, height * 2, width * 2), np.float32)
        result[:, :, ::2, ::2] = minibatch
        return convolved(result, 4.0)

    pyramid = [images]
    for _ in range(1, levels):
        pyramid.append(convolved(pyramid[-1], 1.0)[:, :, ::2, ::2])
        pyramid[-2] = pyramid[-2] - up(pyramid[-1])
    return pyramid


@pytest.mark.parametrize(("size", "levels"), [(16, 1), (32, 2), (64, 3)])
def test_the_pyramid_is_the_published_one(size: int, levels: int) -> None:
    images = noise(0, 4, 3, size, size).astype(np.float32)
    found = laplacian_pyramid(torch.from_numpy(images))
    assert [level.shape[-1] for level in found] == [size >> number for number in range(levels)]
    for ours, theirs in zip(found, published_pyramid(images, levels), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-3)


def test_the_projections_are_those_of_normalised_patches() -> None:
    images = noise(1, 6, 3, 16, 16)
    rows, columns = patch_places(6, 16, seed=5, level=0)
    patches = np.array(
        [images[i, :, r : r + PATCH, c : c + PATCH] for i in range(6) for r, c in zip(rows[i], columns[i], strict=True)]
    ).astype(np.float64)
    patches -= patches.mean(axis=(0, 2, 3), keepdims=True)
    patches /= patches.std(axis=(0, 2, 3), keepdims=True)
    expected = np.sort(patches.transpose(0, 2, 3, 1).reshape(6 * PATCHES, -1) @ directions(3 * PATCH * PATCH), axis=0)
    [found] = sorted_projections([images[:4], images[4:]], 6, seed=5)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_each_projection_is_compared_by_the_one_dimensional_wasserstein_distance() -> None:
    first, second = (
        sorted_projections([noise(2, 20, 1, 16, 16)], 20, 1),
        sorted_projections([noise(3, 20, 1, 16, 16)], 20, 2),
    )
    expected = np.mean([wasserstein_distance(first[0][:, j], second[0][:, j]) for j in range(PROJECTIONS)])
    assert sliced_wasserstein(first, second) == pytest.approx(1e3 * expected, rel=1e-5)


def test_identical_images_are_at_distance_zero() -> None:
    made = sorted_projections([digits().gather(np.arange(100))], 100, seed=3)
    assert sliced_wasserstein(made, made) == 0


def test_batched_equals_whole() -> None:
    images = digits().gather(np.arange(100))
    parts = sorted_projections([images[start : start + 7] for start in range(0, 100, 7)], 100, seed=3)
    for ours, whole in zip(parts, sorted_projections([images], 100, seed=3), strict=True):
        np.testing.assert_allclose(ours, whole, atol=1e-5)


def test_other_real_digits_are_nearer_than_blurred_ones_and_noise_is_farthest() -> None:
    def of(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        return sorted_projections([images], len(images), seed=3)

    real, others = digits().gather(np.arange(800)), digits().gather(np.arange(800, 1600))
    blurred = ndimage.gaussian_filter(others, (0, 0, 1.5, 1.5))
    distances = [sliced_wasserstein(of(real), of(images)) for images in (others, blurred, noise(4, *real.shape))]
    assert distances == sorted(distances)
    assert 2 * distances[0] < distances[1]


def test_a_change_of_contrast_is_not_detected() -> None:
    # Patches are normalised per set and level: the metric's known blind spot.
    images = (digits().gather(np.arange(200)) // 4) * 2
    same = sliced_wasserstein(sorted_projections([images], 200, seed=3), sorted_projections([images // 2], 200, seed=3))
    assert same == pytest.approx(0, abs=0.01)


def test_images_of_one_colour_give_a_finite_number() -> None:
    flat = sorted_projections([np.full((20, 1, 32, 32), 7, dtype=np.uint8)], 20, seed=0)
    assert np.isfinite(sliced_wasserstein(flat, sorted_projections([noise(5, 20, 1, 32, 32)], 20, seed=0)))


def test_sets_of_different_sizes_are_refused() -> None:
    made = [sorted_projections([noise(6, count, 1, 16, 16)], count, seed=0) for count in (10, 11)]
    with pytest.raises(ValueError, match="as many images"):
        sliced_wasserstein(*made)
