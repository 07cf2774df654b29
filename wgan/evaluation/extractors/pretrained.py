"""What extractors pretrained on ImageNet share: RGB in, pooled features out, no classes of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wgan.evaluation.extractors.features import Features

Pool = Callable[[Tensor], Tensor]
"""uint8 images (B, 3, H, W) → float32 features (B, d)."""


@dataclass(frozen=True)
class PretrainedExtractor:
    """Pooled features of a frozen network; grey images are repeated to RGB."""

    name: str
    digest: str
    pool: Pool
    device: str
    batch_size: int
    """Maximum images per forward pass: these networks upscale their input considerably."""
    scale: float = 1.0
    accuracy: float | None = None
    class_shares: NDArray[np.float64] | None = None

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> Features:
        """Features (B, d) of images uint8 (B, C, H, W), C 1 or 3."""
        rgb = torch.from_numpy(images).to(self.device).expand(-1, 3, -1, -1)
        pooled = [self.pool(part).cpu().numpy() for part in torch.split(rgb, self.batch_size)]
        return Features(np.concatenate(pooled) * np.float32(self.scale))
