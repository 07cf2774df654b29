"""The learning rate of each step: constant as in Algorithm 1, or linear to a share of itself at the end of the run."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer

from wgan.config import TrainingConfig


def learning_rate_at(step: int, training: TrainingConfig) -> float:
    """The rate of generator step `step`, counted from 0, and of the critic steps before it."""
    if training.lr_schedule == "constant":
        return training.lr
    return training.lr * (1 - (1 - training.final_lr_share) * step / training.generator_steps)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate of the next updates; a rate on the device is written in place, since a CUDA graph reads it there."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
