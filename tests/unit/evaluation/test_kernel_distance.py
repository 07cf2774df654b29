"""The kernel distance against its definition, a closed form, torchmetrics and torch-fidelity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch_fidelity.metric_kid import kernel_mmd
from torchmetrics.image.kid import poly_mmd

from wgan.evaluation.metrics.kernel import kernel_distance, mean_kernel


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def brute_force(real: NDArray[np.float64], generated: NDArray[np.float64]) -> float:
    """Straight from the definition, with loops."""

    def k(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    def within(points: NDArray[np.float64]) -> float:
        count = len(points)
        return float(np.mean([k(points[i], points[j]) for i in range(count) for j in range(count) if i != j]))

    return within(real) + within(generated) - 2 * float(np.mean([k(x, y) for x in real for y in generated]))


@pytest.mark.parametrize(("real_count", "generated_count"), [(2, 2), (30, 30), (25, 40)])
def test_agrees_with_the_definition(real_count: int, generated_count: int) -> None:
    real, generated = normal(0, real_count, 5), 1.2 * normal(1, generated_count, 5) + 0.3
    assert kernel_distance(real, generated) == pytest.approx(brute_force(real, generated), rel=1e-10)


def test_two_constants_follow_the_closed_form() -> None:
    # All x = 0 and all y = 1 in d dimensions: k = 1, (1 + 1)³ = 8 and 1, so MMD² = 1 + 8 − 2.
    assert kernel_distance(np.zeros((10, 7)), np.ones((12, 7))) == pytest.approx(7.0, abs=1e-12)


def test_agrees_with_torchmetrics_and_torch_fidelity_on_the_same_features() -> None:
    real, generated = normal(2, 200, 16), normal(3, 200, 16) ** 2
    ours = kernel_distance(real, generated)
    assert ours == pytest.approx(float(poly_mmd(torch.from_numpy(real), torch.from_numpy(generated))), rel=1e-9)
    settings = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None,
                "kid_kernel_poly_coef0": 1.0}  # fmt: skip
    assert ours == pytest.approx(kernel_mmd(real, generated, **settings), rel=1e-9)


def test_the_same_distribution_is_at_zero_in_expectation_with_few_images() -> None:
    values = [kernel_distance(normal(seed, 8, 4), normal(seed + 1000, 8, 4)) for seed in range(400)]
    standard_error = np.std(values) / 20
    assert abs(np.mean(values)) < 3 * standard_error
    assert min(values) < 0  # unbiased: not clipped


def test_blocks_of_any_size_and_a_known_real_side_equal_the_whole() -> None:
    real, generated = normal(4, 101, 6), normal(5, 97, 6) + 1
    whole = kernel_distance(real, generated, block_elements=10**9)
    assert kernel_distance(real, generated, block_elements=1) == pytest.approx(whole, rel=1e-12)
    assert kernel_distance(real, generated, real_mean=mean_kernel(real)) == pytest.approx(whole, rel=1e-12)


def test_a_single_image_has_no_pairs() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        mean_kernel(normal(0, 1, 4))
