"""The metrics of a generator step, by name.

    wasserstein_estimate     mean C(real) − mean C(fake) of the step's last critic step, before its update
    wasserstein_median       running median of it over the last 101 generator steps
    critic_loss              the loss that critic step minimised, before its update
    generator_loss           the loss the generator step minimised, before its update
    gradient_penalty         wgan-gp only: the penalty in critic_loss, before its weight
    clip_share               wgan only: share of the critic's parameters that lie on −c or c
    critic_gradient_norm     Euclidean norm of the critic's gradient in that critic step
    generator_gradient_norm  and of the generator's in the generator step
    learning_rate            with a schedule only: the rate of the step
    images_per_second        real images shown to the critic per second since the last log

The objective `gan` estimates no distance: both losses are cross-entropies, and there is no `wasserstein_*`.
"""

from __future__ import annotations

import torch
from torch import nn

from wgan.config import TrainingConfig
from wgan.training.learning_rate import learning_rate_at
from wgan.training.state import TrainingState

ESTIMATE = "wasserstein_estimate"


def step_metrics(state: TrainingState, settings: TrainingConfig) -> dict[str, float]:
    """The metrics of the last step, except the speed; the history must be on the host."""
    values = state.history.last()
    if ESTIMATE in values:
        values["wasserstein_median"] = state.history.running_median(ESTIMATE)
    if settings.objective == "wgan":
        values["clip_share"] = clip_share(state.critic, settings.clip_value)
    if settings.lr_schedule != "constant":
        values["learning_rate"] = learning_rate_at(state.generator_steps - 1, settings)
    values["critic_gradient_norm"] = gradient_norm(state.critic)
    values["generator_gradient_norm"] = gradient_norm(state.generator)
    return values


@torch.no_grad()
def clip_share(critic: nn.Module, clip_value: float) -> float:
    """Share of the parameters that lie on ±`clip_value`, from 0 to 1."""
    parameters = list(critic.parameters())
    bound = torch.tensor(clip_value, dtype=torch.float32).item()
    on_it = sum((parameter.abs() >= bound).sum() for parameter in parameters)
    return float(on_it) / sum(parameter.numel() for parameter in parameters)


def gradient_norm(network: nn.Module) -> float:
    """Euclidean norm of the gradient of the last step; 0 if there is none yet."""
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return float(torch.stack(torch._foreach_norm(gradients)).norm()) if gradients else 0.0
