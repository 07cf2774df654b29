"""One critic step and one generator step: each property of Algorithm 1 separately."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.unit.training.tiny_training import CPU, Blobs, tiny
from wgan.config import TrainingConfig
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.objectives import WeightClipping, objective_of
from wgan.training.state import TrainingState, new_state, optimizer_of
from wgan.training.steps import critic_step, critic_steps_before, generator_step
from wgan.training.world import ALONE

NOISE = torch.randn(8, 6, generator=torch.Generator().manual_seed(3))
REAL = RealBatches(Blobs(), DataOrder(40, 8, 0, ALONE), CPU).batch(0)
HALF = torch.full((8,), 0.5)
CLIP = WeightClipping(0.01)


def copied(network: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def changed(network: nn.Module, before: list[Tensor]) -> list[bool]:
    return [not torch.equal(p, old) for p, old in zip(network.parameters(), before, strict=True)]


@pytest.fixture
def state() -> TrainingState:
    """A trained-a-little state, so that the critic's weights lie within the bound and gradients flow."""
    fresh = new_state(tiny(lr=1e-3), CPU)
    for _ in range(20):
        critic_step(fresh, CLIP, REAL, NOISE, HALF)
    return fresh


def estimate(state: TrainingState) -> float:
    with torch.no_grad():
        return float(state.critic(REAL).mean() - state.critic(state.generator(NOISE)).mean())


def test_a_critic_step_raises_the_estimate_on_the_same_batch(state: TrainingState) -> None:
    for group in state.critic_optimizer.param_groups:
        group["lr"] = 1e-5
    before = estimate(state)
    critic_step(state, CLIP, REAL, NOISE, HALF)
    assert estimate(state) > before


def test_a_generator_step_raises_the_critics_score_of_fakes_of_the_same_noise(state: TrainingState) -> None:
    def score() -> float:
        with torch.no_grad():
            return float(state.critic(state.generator(NOISE)).mean())

    before = score()
    loss = generator_step(state, CLIP, NOISE)
    assert loss.item() == pytest.approx(-before, rel=1e-4)
    assert score() > before


def test_the_logged_estimate_is_that_before_the_update(state: TrainingState) -> None:
    before = estimate(state)
    measured = critic_step(state, CLIP, REAL, NOISE, HALF)
    assert measured["wasserstein_estimate"].item() == pytest.approx(before, rel=1e-3)
    assert measured["critic_loss"] == -measured["wasserstein_estimate"]
    assert estimate(state) != pytest.approx(before, rel=1e-3)


def test_a_critic_step_does_not_change_the_generators_weights_and_gradients(state: TrainingState) -> None:
    before = copied(state.generator)
    critic_step(state, CLIP, REAL, NOISE, HALF)
    assert not any(changed(state.generator, before))
    assert all(parameter.grad is None for parameter in state.generator.parameters())


def test_a_generator_step_does_not_change_the_critics_weights_and_gradients(state: TrainingState) -> None:
    before = copied(state.critic)
    state.critic.zero_grad(set_to_none=True)
    generator_step(state, CLIP, NOISE)
    assert not any(changed(state.critic, before))
    assert all(parameter.grad is None for parameter in state.critic.parameters())
    assert all(parameter.requires_grad for parameter in state.critic.parameters())


def test_a_step_changes_every_parameter_of_its_network() -> None:
    fresh = new_state(tiny(lr=1e-4), CPU)
    critic, generator = copied(fresh.critic), copied(fresh.generator)
    critic_step(fresh, objective_of(TrainingConfig(objective="gan")), REAL, NOISE, HALF)
    generator_step(fresh, CLIP, NOISE)
    assert all(changed(fresh.critic, critic))
    assert all(changed(fresh.generator, generator))


def test_the_clamp_comes_after_the_update(state: TrainingState) -> None:
    # A step of 1 throws nearly every weight far out: they lie inside only if the clamp has the last word.
    for group in state.critic_optimizer.param_groups:
        group["lr"] = 1.0
    critic_step(state, CLIP, REAL, NOISE, HALF)
    bounds = [parameter.abs().max().item() for parameter in state.critic.parameters()]
    assert max(bounds) == pytest.approx(0.01)


def test_norm_scales_and_biases_of_the_critic_are_clamped_too() -> None:
    fresh = new_state(tiny(), CPU)  # norm scales start around 1
    critic_step(fresh, CLIP, REAL, NOISE, HALF)
    assert all((parameter.abs() <= 0.01).all() for parameter in fresh.critic.parameters())


def test_the_generator_is_never_clamped(state: TrainingState) -> None:
    generator_step(state, CLIP, NOISE)
    assert max(parameter.abs().max().item() for parameter in state.generator.parameters()) > 0.5


def test_the_gradient_is_taken_before_the_update_and_not_summed_over_steps(state: TrainingState) -> None:
    expected = [p.detach().clone().requires_grad_() for p in state.critic.parameters()]
    names = [name for name, _ in state.critic.named_parameters()]
    functional = dict(zip(names, expected, strict=True))
    with torch.no_grad():
        fake = state.generator(NOISE)
    real_score = torch.func.functional_call(state.critic, functional, (REAL,)).mean()
    fake_score = torch.func.functional_call(state.critic, functional, (fake,)).mean()
    wanted = torch.autograd.grad(fake_score - real_score, expected)
    critic_step(state, CLIP, REAL, NOISE, HALF)
    for parameter, gradient in zip(state.critic.parameters(), wanted, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-6)


def test_rmsprop_has_the_papers_settings() -> None:
    fresh = new_state(tiny(), CPU)
    for optimizer in (fresh.generator_optimizer, fresh.critic_optimizer):
        assert isinstance(optimizer, torch.optim.RMSprop)
        (group,) = optimizer.param_groups
        settings = {name: group[name] for name in ("lr", "alpha", "eps", "momentum", "centered", "weight_decay")}
        assert settings == {
            "lr": 5e-5, "alpha": 0.99, "eps": 1e-8, "momentum": 0, "centered": False, "weight_decay": 0,
        }  # fmt: skip


def test_the_first_two_rmsprop_updates_follow_the_closed_form() -> None:
    # v ← 0.99 v + 0.01 g², w ← w − lr g / (√v + eps): with g = 2 then −1, and lr 0.1,
    # v = 0.04 and w = 1 − 0.1·2/0.2 = 0; then v = 0.0496 and w = 0.1/√0.0496 = 0.4490.
    line = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        line.weight.fill_(1.0)
    optimizer = optimizer_of(line, TrainingConfig(lr=0.1))
    for gradient, weight in ((2.0, 0.0), (-1.0, 0.1 / 0.0496**0.5)):
        line.weight.grad = torch.tensor([[gradient]])
        optimizer.step()
        assert line.weight.item() == pytest.approx(weight, abs=1e-6)


def test_adam_takes_its_betas_from_the_configuration() -> None:
    optimizer = optimizer_of(nn.Linear(1, 1), TrainingConfig(optimizer="adam", adam_betas=(0.5, 0.8), lr=1e-3))
    assert isinstance(optimizer, torch.optim.Adam)
    assert optimizer.param_groups[0]["betas"] == (0.5, 0.8)


def test_the_constant_schedule_is_n_critic_throughout() -> None:
    settings = TrainingConfig(n_critic=3)
    assert {critic_steps_before(done, settings) for done in range(1001)} == {3}


def test_the_published_schedule_is_100_for_the_first_25_and_at_every_500th() -> None:
    settings = TrainingConfig(n_critic=5, critic_schedule="published")
    hundreds = [done for done in range(1100) if critic_steps_before(done, settings) == 100]
    assert hundreds == [*range(25), 500, 1000]
    assert {critic_steps_before(done, settings) for done in range(1100)} == {5, 100}


@pytest.mark.parametrize("objective", ["wgan", "wgan-gp", "gan"])
def test_bf16_multiplies_in_bf16_but_keeps_weights_and_losses_float32(objective: str) -> None:
    fresh = new_state(tiny(), CPU)
    game = objective_of(tiny(objective=objective).training)
    measured = critic_step(fresh, game, REAL, NOISE, HALF, "bf16")
    measured["generator_loss"] = generator_step(fresh, game, NOISE, "bf16")
    assert {value.dtype for value in measured.values()} == {torch.float32}
    for network in (fresh.generator, fresh.critic):
        assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
        without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert set(without) <= {"layers.8.bias"}  # the critic's last, which cancels in mean C(real) − mean C(fake)
    exact = new_state(tiny(), CPU)
    expected = critic_step(exact, game, REAL, NOISE, HALF, "float32")
    assert measured["critic_loss"] != expected["critic_loss"]
    assert measured["critic_loss"].item() == pytest.approx(expected["critic_loss"].item(), rel=0.2, abs=0.05)
