"""Losses in closed form, or against torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from wgan.config import TrainingConfig
from wgan.training.objectives import CrossEntropy, GradientPenalty, WeightClipping, gradient_penalty, objective_of


def mean_score(images: Tensor) -> Tensor:
    return images.mean(dim=(1, 2, 3))


REAL, FAKE = torch.full((4, 1, 2, 2), 3.0), torch.full((4, 1, 2, 2), 1.0)
HALF = torch.full((4,), 0.5)


def test_the_estimate_is_mean_real_minus_mean_fake_and_the_critic_minimises_its_negative() -> None:
    loss, measured = WeightClipping(0.01).critic_loss(mean_score, REAL, FAKE, HALF)
    assert measured["wasserstein_estimate"] == 3 - 1
    assert loss == -2


@pytest.mark.parametrize("objective", [WeightClipping(0.01), GradientPenalty(10.0)])
def test_the_generator_minimises_minus_the_mean_score(objective: WeightClipping | GradientPenalty) -> None:
    assert objective.generator_loss(torch.tensor([1.0, 2.0, 6.0])) == -3


def test_clipping_clamps_every_parameter_of_the_critic() -> None:
    critic = nn.Sequential(nn.Conv2d(1, 2, 2), nn.GroupNorm(2, 2))
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.fill_(1.0)
        critic[0].weight[0] = -1.0
        critic[0].weight[1, 0, 0, 0] = 0.004
    WeightClipping(0.01).constrain(critic)
    assert all((parameter.abs() <= 0.01).all() for parameter in critic.parameters())
    assert critic[1].weight.tolist() == pytest.approx([0.01, 0.01])
    assert critic[0].weight.min().item() == pytest.approx(-0.01)
    assert critic[0].weight[1, 0, 0, 0].item() == pytest.approx(0.004)


@pytest.mark.parametrize("objective", [GradientPenalty(10.0), CrossEntropy()])
def test_only_the_clipped_objective_constrains_the_critic(objective: GradientPenalty | CrossEntropy) -> None:
    critic = nn.Linear(3, 1)
    before = critic.weight.clone()
    objective.constrain(critic)
    assert torch.equal(critic.weight, before)


def test_the_penalty_of_a_linear_critic_with_unit_gradient_is_0() -> None:
    direction = torch.randn(1, 3, 4, 4)
    direction /= direction.norm()
    penalty = gradient_penalty(
        lambda x: (x * direction).sum((1, 2, 3)), torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4), torch.rand(5)
    )
    assert penalty.item() == pytest.approx(0, abs=1e-10)


def test_the_penalty_takes_a_norm_for_each_sample() -> None:
    # C(x) = |x|²/2 has gradient x, so with real = fake the norms are those of the samples: 0 and 3.
    images = torch.zeros(2, 1, 1, 1)
    images[1] = 3.0
    penalty = gradient_penalty(lambda x: x.square().sum((1, 2, 3)) / 2, images, images, torch.rand(2))
    assert penalty.item() == pytest.approx(((0 - 1) ** 2 + (3 - 1) ** 2) / 2)


def test_the_penalty_mixes_each_sample_with_its_own_alpha() -> None:
    # Between real 0 and fake 4 with α = 1/4 and 3/4 the points are 3 and 1; C as above has norms 3 and 1.
    real, fake = torch.zeros(2, 1, 1, 1), torch.full((2, 1, 1, 1), 4.0)
    alphas = torch.tensor([0.25, 0.75])
    penalty = gradient_penalty(lambda x: x.square().sum((1, 2, 3)) / 2, real, fake, alphas)
    assert penalty.item() == pytest.approx(((3 - 1) ** 2 + (1 - 1) ** 2) / 2)


def test_the_penalty_has_a_gradient_for_the_critic() -> None:
    slope = torch.tensor(3.0, requires_grad=True)  # (3 − 1)², whose derivative is 2·(3 − 1)
    penalty = gradient_penalty(lambda x: slope * x.sum((1, 2, 3)), *[torch.zeros(2, 1, 1, 1)] * 2, torch.rand(2))
    penalty.backward()
    assert slope.grad is not None
    assert slope.grad.item() == pytest.approx(4)


def test_the_penalised_loss_adds_the_weighted_penalty() -> None:
    def twice_the_sum(images: Tensor) -> Tensor:
        return 2 * images.sum(dim=(1, 2, 3))

    one = torch.ones(3, 1, 1, 1)
    loss, measured = GradientPenalty(10.0).critic_loss(twice_the_sum, 2 * one, one, torch.full((3,), 0.5))
    assert measured["wasserstein_estimate"] == 2
    assert measured["gradient_penalty"] == 1
    assert loss == 10 * 1 - 2


def test_the_baselines_losses_are_torchs_binary_cross_entropies() -> None:
    entropy = nn.functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(4), torch.zeros(4)
    loss, measured = CrossEntropy().critic_loss(mean_score, REAL, FAKE, HALF)
    assert loss.item() == pytest.approx((entropy(3 * ones, ones) + entropy(ones, zeros)).item())
    assert CrossEntropy().generator_loss(ones).item() == pytest.approx(entropy(ones, ones).item())
    assert measured == {}


def test_an_undecided_discriminator_costs_log_4() -> None:
    loss, _ = CrossEntropy().critic_loss(lambda x: 0 * mean_score(x), REAL, FAKE, HALF)
    assert loss.item() == pytest.approx(math.log(4))


def test_the_configuration_names_the_objective_and_its_constants() -> None:
    assert objective_of(TrainingConfig(clip_value=0.03)) == WeightClipping(0.03)
    assert objective_of(TrainingConfig(objective="wgan-gp", gradient_penalty=7)) == GradientPenalty(7)
    assert objective_of(TrainingConfig(objective="gan")) == CrossEntropy()
