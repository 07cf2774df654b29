"""BatchNorm with the statistics of all ranks' batches together.

torch's `SyncBatchNorm` does the same on CUDA only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from wgan.training.world import World


def synchronise_batch_norms(network: nn.Module, world: World) -> None:
    """Replace the network's BatchNorms by synchronised ones with the same parameters, statistics and names."""
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(network, name, SynchronisedBatchNorm(child, world))
        else:
            synchronise_batch_norms(child, world)


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """N ranks with batches of m compute what one process computes with a batch of N·m, up to rounding.

    One collective in the forward pass, one in the backward pass. Statistics are float32 at every precision. In
    evaluation mode it is a plain BatchNorm.
    """

    def __init__(self, plain: nn.BatchNorm2d, world: World) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum)
        self.load_state_dict(plain.state_dict())
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self.num_batches_tracked = plain.num_batches_tracked
        self._world = world

    def forward(self, input: Tensor) -> Tensor:
        """(m, C, H, W) to the same shape and type."""
        if not self.training:
            return batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        images = input.float()
        mean, variance = self._statistics(images)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return torch.addcmul(shift.view(1, -1, 1, 1), images, scale.view(1, -1, 1, 1)).to(input.dtype)

    def _statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (C,) over the batches of all ranks; the running ones are updated."""
        variance, mean = torch.var_mean(images, dim=(0, 2, 3), correction=0)
        rank, size = self._world.rank, self._world.size
        own = torch.stack([mean, variance])
        rows = [own * size if row == rank else torch.zeros_like(own) for row in range(size)]
        means, variances = _MeanOverRanks.apply(torch.stack(rows), self._world).unbind(1)
        mean = means.mean(0)
        variance = (variances + torch.square(means - mean)).mean(0)
        with torch.no_grad():
            count = images.numel() // images.shape[1] * size
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        return mean, variance


class _MeanOverRanks(torch.autograd.Function):
    """The mean of a tensor over all ranks. Its gradient is the mean of the ranks' gradients."""

    @staticmethod
    def forward(context: Any, values: Tensor, world: World) -> Tensor:
        context.world = world
        averaged = values.clone()
        world.reduce([averaged])
        return averaged

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        averaged = gradients[0].contiguous().clone()
        context.world.reduce([averaged])
        return averaged, None
