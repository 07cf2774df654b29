"""The exponential moving average of the generator's weights, drawn instead of them: smoother, and closer to the data.

Yazıcı et al. 2019, *The Unusual Effectiveness of Averaging in GAN Training*. Training itself never reads the average,
so it changes no other number.
"""

from __future__ import annotations

import copy

import torch

from wgan.training.networks import ImageGenerator


def decay_at(step: int, decay: float) -> float:
    """The decay after generator step `step`, counted from 1: min(decay, (1 + step) / (10 + step)).

    The warm-up is that of TensorFlow's `tf.train.ExponentialMovingAverage` with `num_updates`: without it, the average
    would be mostly the initial weights for the first 1 / (1 − decay) steps.
    """
    return min(decay, (1 + step) / (10 + step))


def new_average(generator: ImageGenerator) -> ImageGenerator:
    """A copy of the generator on its device, in evaluation mode, that needs no gradients."""
    return copy.deepcopy(generator).eval().requires_grad_(False)


@torch.no_grad()
def update_average(average: ImageGenerator, generator: ImageGenerator, decay: float, step: int) -> None:
    """average ← decay · average + (1 − decay) · generator, in place, with the decay of `decay_at`.

    BatchNorm's running statistics are averaged like the weights; counters are copied.
    """
    ours, theirs = list(average.state_dict().values()), list(generator.state_dict().values())
    averaged = [tensor.is_floating_point() for tensor in ours]
    torch._foreach_lerp_(
        [tensor for tensor, is_weight in zip(ours, averaged, strict=True) if is_weight],
        [tensor for tensor, is_weight in zip(theirs, averaged, strict=True) if is_weight],
        1 - decay_at(step, decay),
    )
    for own, other, is_weight in zip(ours, theirs, averaged, strict=True):
        if not is_weight:
            own.copy_(other)
