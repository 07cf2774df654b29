"""What the two networks optimise: the paper's objective, the two it is compared with, or a custom one.

Each is one frozen object with three parts: the critic's loss, the generator's loss, and the constraint applied to the
critic after its update. Losses are minimised; other logged values are 0-dimensional tensors without gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from wgan.config import TrainingConfig
from wgan.plugins import make_plugin

Scores = Callable[[Tensor], Tensor]


@runtime_checkable
class Objective(Protocol):
    """One way to train a critic and a generator against each other."""

    def critic_loss(
        self, critic: Scores, real: Tensor, fake: Tensor, epsilon: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of real and fake images (N, C, H, W), and the values to log by name.

        `epsilon` (N,) is drawn from [0, 1) at each step.
        """
        ...

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """The loss of fakes with these scores (N,)."""
        ...

    def constrain(self, critic: nn.Module) -> None:
        """Change the critic's parameters after its update."""
        ...


@dataclass(frozen=True)
class WeightClipping:
    """`wgan`: Algorithm 1. The clamp to [-c, c] keeps the critic K-Lipschitz for some K (section 3)."""

    clip_value: float

    def critic_loss(
        self, critic: Scores, real: Tensor, fake: Tensor, epsilon: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus the estimate, mean C(real) − mean C(fake)."""
        estimate = _estimate(critic, real, fake)
        return -estimate, {"wasserstein_estimate": estimate.detach()}

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """− mean C(G(z))."""
        return -fake_scores.mean()

    @torch.no_grad()
    def constrain(self, critic: nn.Module) -> None:
        """Clamp every parameter, norms and biases included, as Algorithm 1's w ← clip(w, −c, c) does."""
        parameters: list[Tensor] = list(critic.parameters())
        torch._foreach_clamp_min_(parameters, -self.clip_value)
        torch._foreach_clamp_max_(parameters, self.clip_value)


@dataclass(frozen=True)
class GradientPenalty:
    """`wgan-gp`: Gulrajani et al. 2017, *Improved Training of Wasserstein GANs*, Algorithm 1."""

    weight: float

    def critic_loss(
        self, critic: Scores, real: Tensor, fake: Tensor, epsilon: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus the estimate, plus λ times the penalty."""
        estimate = _estimate(critic, real, fake)
        penalty = gradient_penalty(critic, real, fake, epsilon)
        fits = {"wasserstein_estimate": estimate.detach(), "gradient_penalty": penalty.detach()}
        return self.weight * penalty - estimate, fits

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """− mean C(G(z))."""
        return -fake_scores.mean()

    def constrain(self, critic: nn.Module) -> None:
        """Nothing: the penalty is the constraint."""


@dataclass(frozen=True)
class CrossEntropy:
    """`gan`: Goodfellow et al. 2014, the non-saturating game; the critic's score is the logit of "real"."""

    def critic_loss(
        self, critic: Scores, real: Tensor, fake: Tensor, epsilon: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Binary cross-entropy: mean −log σ(C(real)) + mean −log(1 − σ(C(fake))). Estimates no distance."""
        real_scores, fake_scores = _scores(critic, real, fake)
        return softplus(-real_scores).mean() + softplus(fake_scores).mean(), {}

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Mean −log σ(C(G(z)))."""
        return softplus(-fake_scores).mean()

    def constrain(self, critic: nn.Module) -> None:
        """Nothing."""


def objective_of(training: TrainingConfig) -> Objective:
    """The configured objective, with its constants. A custom one is called with `training`."""
    match training.objective:
        case "wgan":
            return WeightClipping(training.clip_value)
        case "wgan-gp":
            return GradientPenalty(training.gradient_penalty)
        case "gan":
            return CrossEntropy()
        case path:
            return make_plugin("training.objective", path, Objective, training)  # type: ignore[type-abstract]


def gradient_penalty(critic: Scores, real: Tensor, fake: Tensor, epsilon: Tensor) -> Tensor:
    """Mean of (‖∇C(x̂)‖ − 1)² over x̂ = ε real + (1 − ε) fake, with an ε and a norm for every sample.

    Images (N, C, H, W) float32, `epsilon` (N,). Computed in float32 at every precision, because it is differentiated
    twice.
    """
    share = epsilon.view(-1, *[1] * (real.dim() - 1))
    with torch.autocast(real.device.type, enabled=False):
        between = (share * real + (1 - share) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        norms: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
        return torch.square(norms - 1).mean()


def _scores(critic: Scores, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Both batches in one forward pass (the critic has no batch statistics), as float32."""
    scores = critic(torch.cat([real, fake])).float()
    return scores[: len(real)], scores[len(real) :]


def _estimate(critic: Scores, real: Tensor, fake: Tensor) -> Tensor:
    """The estimate of K·W(P_real, P_fake), equation 3: mean C(real) − mean C(fake)."""
    real_scores, fake_scores = _scores(critic, real, fake)
    return real_scores.mean() - fake_scores.mean()
