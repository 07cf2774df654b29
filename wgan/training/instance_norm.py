"""The critic's norm: an affine instance norm that keeps the channels-last layout, in float32 in every precision."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class InstanceNorm(nn.GroupNorm):
    """Affine instance norm: the group norm with one channel a group.

    torch's group norm keeps the channels-last layout on the CPU, but its kernels for it are slow. float32 images go
    through them; bf16 images are normed as the rows of a matrix, several times faster. On CUDA torch's group norm
    returns plain NCHW, which the next convolution would have to undo, so there the norm is written out in operations
    that keep the layout and that a compiler fuses.
    """

    def __init__(self, width: int) -> None:
        super().__init__(num_groups=width, num_channels=width)

    def forward(self, input: Tensor) -> Tensor:
        """Images (N, C, H, W) to images of the same type and layout."""
        if input.is_cuda:
            return self.written_out(input)
        if input.dtype != torch.bfloat16:
            return super().forward(input)
        normed: Tensor = _NormOfRows.apply(input, self.weight, self.bias, self.eps)
        return normed

    def written_out(self, input: Tensor) -> Tensor:
        """The norm in elementary operations, for CUDA."""
        images = input.float()
        variance, mean = torch.var_mean(images, dim=(2, 3), correction=0, keepdim=True)
        scale = self.weight.view(1, -1, 1, 1) * torch.rsqrt(variance + self.eps)
        return torch.addcmul(self.bias.view(1, -1, 1, 1), images - mean, scale).to(input.dtype)


class _NormOfRows(torch.autograd.Function):
    """The norm in a few passes over matrices (N, H·W, C), forward and backward."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        standard, inverse = _standardised(images, eps)
        ctx.save_for_backward(images, weight, standard, inverse)
        ctx.eps = eps
        return _images(torch.addcmul(bias, standard, weight), images)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, standard, inverse = ctx.saved_tensors
        if torch.is_grad_enabled():  # This gradient is differentiated again, so it must depend on the images.
            standard, inverse = _standardised(images, ctx.eps)
        gradient = _rows(gradients[0])
        mean, projection = gradient.mean(1, keepdim=True), (gradient * standard).mean(1, keepdim=True)
        of_images = (gradient - torch.addcmul(mean, standard, projection)) * (inverse * weight)
        pixels = gradient.shape[1]
        return _images(of_images, images), pixels * projection.sum((0, 1)), pixels * mean.sum((0, 1)), None


def _standardised(images: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Rows (N, H·W, C) of mean 0 and variance 1, and the inverse standard deviations (N, 1, C) before."""
    rows = _rows(images)
    centred = rows - rows.mean(1, keepdim=True)
    inverse = torch.rsqrt(centred.square().mean(1, keepdim=True) + eps)
    return centred * inverse, inverse


def _rows(images: Tensor) -> Tensor:
    """(N, C, H, W) to float32 (N, H·W, C)."""
    return images.permute(0, 2, 3, 1).flatten(1, 2).float()


def _images(rows: Tensor, like: Tensor) -> Tensor:
    """(N, H·W, C) to images of the type and shape of `like`, channels last in memory."""
    count, channels, height, width = like.shape
    return rows.view(count, height, width, channels).permute(0, 3, 1, 2).to(like.dtype)
