"""FID and Inception score as papers print them: 50,000 generated images, the whole training set, one number each.

The Fréchet distance falls as samples grow (Chong and Forsyth 2020), so only distances of equal sample sizes can be
compared. Since Heusel et al. (2017) papers print it for 50,000 generated images against all training images. The
Inception score is that of Salimans et al. (2016), section 4: 50,000 images in ten parts, mean and deviation of the
parts.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

from wgan.errors import ObjectMissing
from wgan.evaluation.extractors.inception import BATCH, WEIGHTS, load_inception
from wgan.evaluation.metrics.frechet import Moments, gaussian_distance, streamed_moments
from wgan.evaluation.reference import RealImages
from wgan.evaluation.reference_cache import read_own, write_own
from wgan.evaluation.side_by_side import GenerateImages, ProgressListener
from wgan.records import PublishedNumbers
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.signing import NotSigned

log = logging.getLogger(__name__)

GENERATED = 50_000
SPLITS = 10
PART = 1_000
"""Images that are in memory at once."""
FORMAT = 1
"""Increased whenever the moments of the training set, or how they are computed, change."""
Network = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""uint8 images (B, 3, H, W) → pooled features (B, d) and logits (B, K)."""


def published_numbers(
    generate: GenerateImages,
    images: RealImages,
    seed: int,
    settings: Settings,
    storage: Storage,
    device: str,
    progress: ProgressListener,
) -> PublishedNumbers:
    """FID and Inception score of a generator, by the 2015 Inception network.

    The moments of the training set are cached in S3. Raises what `open_inception` raises.
    """
    network = load_inception(settings, storage, device, ("2048", "logits_unbiased"), progress)

    def outputs(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled, logits = network(rgb)
        return pooled, logits

    key = f"{settings.evaluation_prefix}/published-{FORMAT}/{images.ref.digest}/{WEIGHTS.checksum.hex}.npz"
    real = _load(key, settings, storage)
    total = GENERATED + (0 if real else images.count)
    advance = _counter(progress, total)
    if real is None:
        real = streamed_moments(_pooled(outputs, _training_parts(images), device, advance))
        write_own(key, _pack(real), settings, storage)
    return measure_published(outputs, real, generate, images.count, seed, device, advance)


def measure_published(
    network: Network,
    real: Moments,
    generate: GenerateImages,
    training_images: int,
    seed: int,
    device: str,
    advance: Callable[[int], None] = lambda images: None,
    generated: int = GENERATED,
) -> PublishedNumbers:
    """The numbers by any network, given the training set's moments in its features.

    Images are drawn in parts of `PART`, each from a seed of its own: `seed`, `seed` + 1, …
    """
    logits: list[NDArray[np.float32]] = []

    def pooled() -> Iterator[NDArray[np.float32]]:
        for part, start in enumerate(range(0, generated, PART)):
            for vectors, scores in _outputs(network, generate(seed + part, min(PART, generated - start)), device):
                logits.append(scores)
                advance(len(scores))
                yield vectors

    distance = gaussian_distance(real, streamed_moments(pooled()))
    scores = isc_features_to_metric(torch.from_numpy(np.concatenate(logits)), splits=SPLITS, shuffle=False)
    return PublishedNumbers(
        generated_images=generated,
        training_images=training_images,
        fid=distance,
        inception_score=scores[KEY_METRIC_ISC_MEAN],
        inception_score_deviation=scores[KEY_METRIC_ISC_STD],
        splits=SPLITS,
    )


def _training_parts(images: RealImages) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, images.count, PART):
        yield images.gather(np.arange(start, min(start + PART, images.count)))


def _pooled(
    network: Network, parts: Iterator[NDArray[np.uint8]], device: str, advance: Callable[[int], None]
) -> Iterator[NDArray[np.float32]]:
    for part in parts:
        for vectors, _ in _outputs(network, part, device):
            advance(len(vectors))
            yield vectors


@torch.inference_mode()
def _outputs(
    network: Network, images: NDArray[np.uint8], device: str
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Pooled features and logits, batch by batch; grey images are repeated to RGB."""
    rgb = torch.from_numpy(images).to(device).expand(-1, 3, -1, -1)
    found = (network(batch) for batch in torch.split(rgb, BATCH))
    return [(pooled.cpu().numpy(), logits.cpu().numpy()) for pooled, logits in found]


def _counter(progress: ProgressListener, total: int) -> Callable[[int], None]:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("FID and Inception score", done, total)

    return advance


def _pack(moments: Moments) -> bytes:
    file = io.BytesIO()
    np.savez(file, mean=moments.mean, covariance=moments.covariance)
    return file.getvalue()


def _load(key: str, settings: Settings, storage: Storage) -> Moments | None:
    """The stored moments; None if there are none, or, with a warning, if they are not as this pipeline wrote them."""
    try:
        with np.load(io.BytesIO(read_own(key, settings, storage)), allow_pickle=False) as file:
            return Moments(file["mean"], file["covariance"])
    except ObjectMissing:
        return None
    except (NotSigned, BadZipFile, ValueError, KeyError, OSError) as error:
        log.warning("%s is ignored (%s): the training images are measured again.", storage.uri(key), error)
        return None
