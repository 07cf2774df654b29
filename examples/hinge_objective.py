"""A custom objective: the hinge loss (Lim and Ye 2017), with the critic's weights clipped as in the paper.

    WGAN_PLUGINS=hinge_objective PYTHONPATH=examples wgan retrain --preset digits \
        --set training.objective=hinge_objective:HingeObjective
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from wgan.config import TrainingConfig
from wgan.training.objectives import Scores


class HingeObjective:
    """Real scores above 1 and fake scores below −1 cost nothing."""

    def __init__(self, training: TrainingConfig) -> None:
        self.clip_value = training.clip_value

    def critic_loss(
        self, critic: Scores, real: Tensor, fake: Tensor, epsilon: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean max(0, 1 − C(real)) + mean max(0, 1 + C(fake)); also logs the share of real images within the margin."""
        real_scores, fake_scores = critic(real).float(), critic(fake).float()
        loss = relu(1 - real_scores).mean() + relu(1 + fake_scores).mean()
        return loss, {"within_margin": (real_scores < 1).float().mean()}

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """− mean C(G(z))."""
        return -fake_scores.mean()

    @torch.no_grad()
    def constrain(self, critic: nn.Module) -> None:
        """Clamp every parameter."""
        for parameter in critic.parameters():
            parameter.clamp_(-self.clip_value, self.clip_value)
