"""The 4×4 convolutions that halve or double an image, with a faster weight gradient in bf16 on a CPU.

oneDNN computes the weight gradient of a convolution in bf16 several times more slowly than a matrix product where the
smaller of the two images has 4×4 pixels. There it is computed as that product. In float32 and on other devices, these
are torch's own layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, pad

SIZE, STRIDE, PADDING = 4, 2, 1


class Halving(nn.Conv2d):
    """The convolution of images (N, C, 2H, 2W) to (N, D, H, W), without bias."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, SIZE, STRIDE, PADDING, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        if not _product_pays(input, 2 * SIZE):
            return super().forward(input)
        result: Tensor = _Halving.apply(input.bfloat16(), self.weight.bfloat16())
        return result


class Doubling(nn.ConvTranspose2d):
    """The transposed convolution of images (N, D, H, W) to (N, C, 2H, 2W), without bias."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__(width, channels, SIZE, STRIDE, PADDING, bias=False)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not _product_pays(input, SIZE):
            return super().forward(input, output_size)
        result: Tensor = _Doubling.apply(input.bfloat16(), self.weight.bfloat16())
        return result


class _Halving(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, large: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(large, weight)
        return conv2d(large, weight, stride=STRIDE, padding=PADDING)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (small,), (large, weight), (of_images, of_weight) = gradients, ctx.saved_tensors, ctx.needs_input_grad
        return (
            conv_transpose2d(small, weight, stride=STRIDE, padding=PADDING) if of_images else None,
            weight_gradient(large, small) if of_weight else None,
        )


class _Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, small: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(small, weight)
        return conv_transpose2d(small, weight, stride=STRIDE, padding=PADDING)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (large,), (small, weight), (of_images, of_weight) = gradients, ctx.saved_tensors, ctx.needs_input_grad
        return (
            conv2d(large, weight, stride=STRIDE, padding=PADDING) if of_images else None,
            weight_gradient(large, small) if of_weight else None,
        )


def weight_gradient(large: Tensor, small: Tensor) -> Tensor:
    """The weight gradient (D, C, 4, 4) of both layers, as one matrix product.

    `large` (N, C, 2H, 2W) and `small` (N, D, H, W) are the input and the output's gradient of `Halving`, and the
    output's gradient and the input of `Doubling`: the two layers are each other's transpose.
    """
    rows = small.permute(0, 2, 3, 1).flatten(0, 2)
    padded = pad(large.permute(0, 2, 3, 1), (0, 0, PADDING, PADDING, PADDING, PADDING))
    windows = padded.unfold(1, SIZE, STRIDE).unfold(2, SIZE, STRIDE).permute(0, 1, 2, 4, 5, 3)
    product = rows.T @ windows.reshape(len(rows), -1)
    return product.view(-1, SIZE, SIZE, large.shape[1]).permute(0, 3, 1, 2)


def _product_pays(images: Tensor, size: int) -> bool:
    in_bf16 = images.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    return in_bf16 and images.shape[-1] == size
