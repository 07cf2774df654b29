"""The 2015 Inception network of the FID (Heusel et al. 2017) through torch-fidelity: distances comparable with papers.

Its 2048 pooled features are used unscaled, so that the Fréchet distance is the FID and the kernel
distance the KID. The weights are not part of any package: they are downloaded on first use, or read from a given file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from wgan.download.access import Access, RetryPolicy
from wgan.download.cache import PublishedFile, fetch_published
from wgan.download.fetch import Checksum
from wgan.errors import DataError, UsageError
from wgan.evaluation.extractors.pretrained import PretrainedExtractor
from wgan.file_digest import file_sha256
from wgan.settings import Settings
from wgan.storage import Storage

WEIGHTS = PublishedFile(
    source="inception",
    name="weights-inception-2015-12-05-6726825d.pth",
    urls=(
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        # The same bytes under another name.
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    ),
    checksum=Checksum("sha256", "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"),
)
RETRIES = RetryPolicy(attempts=2)
BATCH = 32


def open_inception(
    settings: Settings,
    storage: Storage,
    device: str,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> PretrainedExtractor:
    """The extractor. Raises `UsageError` if the given file is not the network, `DataError` if it is unavailable."""
    network = load_inception(settings, storage, device, ("2048",), progress)
    return inception_extractor(network, WEIGHTS.checksum.hex, device)


def load_inception(
    settings: Settings,
    storage: Storage,
    device: str,
    layers: tuple[str, ...],
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> FeatureExtractorInceptionV3:
    """The network with the outputs `layers`, as torch-fidelity names them: `2048` pooled, `logits_unbiased`.

    Raises what `open_inception` raises.
    """
    path = inception_weights(settings, storage, progress)
    try:
        torch.load(path, map_location="cpu", weights_only=True)  # tensors only; torch-fidelity loads anything
        network = FeatureExtractorInceptionV3("inception", list(layers), feature_extractor_weights_path=str(path))
    except (OSError, RuntimeError, UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path} does not load as the Inception network: {reason}.") from None
    network.to(device)
    return network


def inception_extractor(network: FeatureExtractorInceptionV3, weights_sha256: str, device: str) -> PretrainedExtractor:
    """The extractor of a network that is already in memory."""

    def pool(rgb: Tensor) -> Tensor:
        features: Tensor = network(rgb)[0]
        return features

    digest = hashlib.sha256(f"inception 2048 {weights_sha256}".encode()).hexdigest()
    return PretrainedExtractor("inception", digest, pool, device, BATCH)


def inception_weights(settings: Settings, storage: Storage, progress: Callable[[str, int, int | None], None]) -> Path:
    """The verified weights file: `WGAN_INCEPTION_WEIGHTS`, or downloaded into the cache.

    Raises `UsageError` when the setting names no such file, `DataError` when it cannot be downloaded.
    """
    given = settings.inception_weights
    if given is None:
        try:
            return fetch_published(WEIGHTS, Access(settings, storage, RETRIES, progress))
        except DataError as error:
            raise DataError(
                f"the weights of extractor inception cannot be downloaded: download {WEIGHTS.name} from "
                f"{WEIGHTS.urls[0]} where there is a network and set WGAN_INCEPTION_WEIGHTS to the file, or give it to "
                f"wgan evaluate as --weights ({error})"
            ) from None
    if not given.is_file():
        raise UsageError(
            f"WGAN_INCEPTION_WEIGHTS={given} is not a file: it must be {WEIGHTS.name} from {WEIGHTS.urls[0]}."
        )
    if (found := file_sha256(given)) != WEIGHTS.checksum.hex:
        raise UsageError(
            f"WGAN_INCEPTION_WEIGHTS={given} has SHA-256 {found[:12]}…, not {WEIGHTS.checksum.hex[:12]}…: "
            f"it must be {WEIGHTS.name} from {WEIGHTS.urls[0]}."
        )
    return given
