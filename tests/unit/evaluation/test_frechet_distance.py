"""The Fréchet distance against closed forms, scipy's matrix square root and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance

from wgan.evaluation.metrics import frechet
from wgan.evaluation.metrics.frechet import Moments, frechet_distance, gaussian_distance, moments, streamed_moments


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def test_identical_sets_are_at_distance_zero() -> None:
    vectors = normal(0, 500, 16)
    assert frechet_distance(vectors, vectors) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("dimension", [1, 3, 64])
def test_equal_covariance_and_means_zero_and_one_give_exactly_the_dimension(dimension: int) -> None:
    covariance = np.cov(normal(1, 400, dimension), rowvar=False).reshape(dimension, dimension)
    apart = gaussian_distance(Moments(np.zeros(dimension), covariance), Moments(np.ones(dimension), covariance))
    assert apart == pytest.approx(dimension, abs=1e-9)


def test_shifting_a_sample_by_one_in_every_feature_gives_the_dimension() -> None:
    vectors = normal(2, 300, 20)
    assert frechet_distance(vectors, vectors + 1) == pytest.approx(20, abs=1e-9)


def test_scaled_copies_of_a_diagonal_gaussian_follow_the_closed_form() -> None:
    # For Σ₂ = 4 Σ₁ the distance is Tr Σ₁ (1 + 4 − 2·2) = Tr Σ₁.
    first = Moments(np.zeros(3), np.diag([1.0, 2.0, 5.0]))
    second = Moments(np.zeros(3), np.diag([4.0, 8.0, 20.0]))
    assert gaussian_distance(first, second) == pytest.approx(8.0, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scipys_matrix_square_root(seed: int) -> None:
    real = normal(seed, 200, 12) @ normal(seed + 10, 12, 12)
    generated = normal(seed + 20, 180, 12) @ normal(seed + 30, 12, 12) + 0.5
    first, second = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    shift = np.square(real.mean(0) - generated.mean(0)).sum()
    expected = shift + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet_distance(real, generated) == pytest.approx(expected, abs=1e-5)


class FirstPixels(torch.nn.Module):
    """The feature module for torchmetrics: the pixels themselves."""

    num_features = 12

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)


def test_agrees_with_torchmetrics_on_the_same_features() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(300, 3, 2, 2, generator=generator)
    generated = torch.rand(300, 3, 2, 2, generator=generator) ** 2
    # Without `antialias` and `normalize` torchmetrics hands the images to the module as they are.
    metric = FrechetInceptionDistance(
        feature=FirstPixels(), normalize=True, antialias=False, input_img_size=(3, 2, 2)
    ).set_dtype(torch.float64)
    metric.update(real.double(), real=True)
    metric.update(generated.double(), real=False)
    ours = frechet_distance(real.double().flatten(1).numpy(), generated.double().flatten(1).numpy())
    assert ours == pytest.approx(float(metric.compute()), rel=1e-6)


@pytest.mark.parametrize("count", range(2, 12))
def test_singular_covariances_give_a_real_number_from_two_images_up(count: int) -> None:
    distance = frechet_distance(normal(count, count, 64), normal(count + 100, count, 64))
    assert isinstance(distance, float)
    assert np.isfinite(distance)
    assert distance > 0


def test_a_generator_of_one_image_at_the_mean_is_at_the_total_variance() -> None:
    real = normal(3, 1000, 8)
    collapsed = np.repeat(real.mean(axis=0, keepdims=True), 1000, axis=0)
    assert frechet_distance(real, collapsed) == pytest.approx(real.var(axis=0, ddof=1).sum())


def test_a_single_image_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        moments(normal(0, 1, 4))


def test_moments_by_blocks_equal_moments_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = normal(4, 1001, 5) + 1e4
    monkeypatch.setattr(frechet, "BLOCK_ROWS", 64)
    found = moments(vectors)
    np.testing.assert_allclose(found.mean, vectors.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(vectors, rowvar=False), rtol=1e-9)


def test_float32_features_far_from_the_origin_lose_no_digits() -> None:
    vectors = (normal(5, 2000, 4) + 1000).astype(np.float32)
    np.testing.assert_allclose(
        moments(vectors).covariance, np.cov(vectors.astype(np.float64), rowvar=False), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_streamed_moments_equal_those_of_the_whole(size: int) -> None:
    vectors = normal(6, 500, 6) * 3 + 1e4
    found = streamed_moments(vectors[start : start + size] for start in range(0, 500, size))
    np.testing.assert_allclose(found.mean, vectors.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(vectors, rowvar=False), rtol=1e-8)


@pytest.mark.parametrize(("count", "dimension"), [(80, 120), (400, 120)])
def test_a_doubled_sample_is_at_its_total_variance_however_ill_conditioned_it_is(count: int, dimension: int) -> None:
    # Σ₂ = 4 Σ₁, as above; standard deviations from 1 to 1e-6 in every direction of a random rotation. The eigenvalues
    # of Σ₁Σ₂, or of Σ₁^½ Σ₂ Σ₁^½, leave an error of 1e-8 here.
    rotation = np.linalg.qr(normal(7, dimension, dimension))[0]
    vectors = (normal(8, count, dimension) * 10.0 ** -np.linspace(0, 6, dimension)) @ rotation
    vectors = (vectors - vectors.mean(axis=0)).astype(np.float32)
    doubled = 2 * vectors
    shift = np.square(vectors.mean(axis=0, dtype=np.float64)).sum()
    expected = vectors.astype(np.float64).var(axis=0, ddof=1).sum() + shift
    assert frechet_distance(vectors, doubled) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("powers", [6, 12])
def test_ill_conditioned_gaussians_with_the_same_axes_follow_the_closed_form(powers: int) -> None:
    # Σ (√λ₁ − √λ₂)² over the axes; the eigenvalues themselves are 1 to 10^-powers.
    axes = np.linalg.qr(normal(9, 64, 64))[0]
    first = 10.0 ** -np.linspace(0, powers, 64)
    second = 3 * first[::-1]
    gaussians = [Moments(np.zeros(64), (axes * values) @ axes.T) for values in (first, second)]
    expected = np.square(np.sqrt(first) - np.sqrt(second)).sum()
    assert gaussian_distance(*gaussians) == pytest.approx(expected, rel=1e-11)


def test_fewer_and_more_images_than_features_are_compared_with_each_other() -> None:
    few, many = normal(10, 12, 20), normal(11, 300, 20) @ normal(12, 20, 20)
    covariances = np.cov(few, rowvar=False), np.cov(many, rowvar=False)
    shift = np.square(few.mean(0) - many.mean(0)).sum()
    expected = shift + np.trace(covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real)
    assert frechet_distance(few, many) == pytest.approx(expected, rel=1e-6)
