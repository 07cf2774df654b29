"""The images for the claims about images: MNIST if available, otherwise scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan import progress
from wgan.config import DataConfig, EvaluationConfig
from wgan.data.prepare import open_or_repair, prepare_dataset
from wgan.download.access import RetryPolicy
from wgan.errors import DataError
from wgan.evaluation.extractors.choose import open_extractor
from wgan.evaluation.extractors.features import Extractor, Features
from wgan.evaluation.metrics.frechet import Moments, gaussian_distance, moments
from wgan.records import DatasetRef
from wgan.scratch import scratch_folder
from wgan.settings import Settings
from wgan.storage import Storage

IMAGE_SIZE = 32
REAL_IMAGES = 5_000
"""Maximum number of real images for the Fréchet distance."""
BATCH = 256
RETRIES = RetryPolicy(attempts=2, connect_seconds=10, backoff_seconds=1)
"""Few retries, since MNIST has a fallback."""


@dataclass(frozen=True)
class Digits:
    """Prepared digits: their name, a folder with `images.npy` uint8 (N, 1, 32, 32), and a classifier that judges."""

    name: str
    folder: Path
    extractor: Extractor
    real: Moments

    def features(self, images: NDArray[np.uint8]) -> Features:
        """Features and classes of grey images (N, 1, 32, 32)."""
        parts = [self.extractor(part) for part in np.array_split(images, -(-len(images) // BATCH))]
        vectors = np.concatenate([part.vectors for part in parts])
        return Features(vectors, np.concatenate([part.classes for part in parts if part.classes is not None]))

    def frechet(self, images: NDArray[np.uint8]) -> float:
        """Fréchet distance of grey images to the real ones; 0 is perfect, 100 only the average feature vector."""
        return gaussian_distance(self.real, moments(self.features(images).vectors))


def prepare_digits(settings: Settings, storage: Storage, allow_download: bool) -> DatasetRef:
    """MNIST, or scikit-learn's digits if MNIST is unavailable or must not be downloaded."""
    if allow_download:
        try:
            return prepare_dataset(_config("mnist"), settings, storage, progress.report, verify=True, retries=RETRIES)
        except DataError as error:
            progress.announce("digits", f"scikit-learn's instead of MNIST ({error})")
    return prepare_dataset(_config("digits"), settings, storage, progress.report, verify=True)


@contextmanager
def open_digits(ref: DatasetRef, settings: Settings, storage: Storage) -> Iterator[Digits]:
    """The prepared digits with their classifier, which is trained once and cached in S3."""
    images = open_or_repair(ref, _config(ref.source), settings, storage)

    def advance(step: int, steps: int) -> None:
        progress.report("classifier", step, steps)

    extractor = open_extractor(images, EvaluationConfig(extractor="classifier"), settings, storage, "cpu", advance)
    with scratch_folder("study") as name:
        everything = images.gather(np.arange(images.count))
        np.save(Path(name) / "images.npy", everything)
        spread = np.linspace(0, images.count - 1, min(images.count, REAL_IMAGES)).astype(np.int64)
        parts = [extractor(everything[part]).vectors for part in np.array_split(spread, -(-len(spread) // BATCH))]
        yield Digits(ref.name, Path(name), extractor, moments(np.concatenate(parts)))


def _config(source: str) -> DataConfig:
    return DataConfig.model_validate({"source": source, "image_size": IMAGE_SIZE})
