"""Feature extractors by name: which one judges a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wgan.config import EvaluationConfig
from wgan.errors import UsageError
from wgan.evaluation.extractors.classifier import TrainedClassifier, activations_and_classes, to_input
from wgan.evaluation.extractors.classifier_cache import cached_classifier, weights_digest
from wgan.evaluation.extractors.features import Extractor, Features
from wgan.evaluation.extractors.pixels import fit_pixel_extractor
from wgan.evaluation.reference import RealImages
from wgan.settings import Settings
from wgan.storage import Storage

LEAST_IMAGES_PER_CLASS = 10
"""With fewer real images per class, on average, a classifier learns nothing, and `auto` chooses pixels."""
STACKED_MODES = 1000


@dataclass(frozen=True)
class ClassifierExtractor:
    """Penultimate activations of the data set's classifier, scaled, and the class it sees."""

    trained: TrainedClassifier
    class_shares: NDArray[np.float64] | None
    device: str
    digest: str
    name: str = "classifier"

    @property
    def accuracy(self) -> float | None:
        """Held-out accuracy; of single digits for `stacked-mnist`."""
        return self.trained.accuracy

    def __call__(self, images: NDArray[np.uint8]) -> Features:
        """Features (B, 64) and classes of images uint8 (B, C, H, W); (B, C·64) and modes where channels are apart."""
        definition, network = self.trained.definition, self.trained.network
        vectors, classes = activations_and_classes(network, to_input(images, definition, self.device))
        if definition.channelwise:
            vectors = vectors.reshape(len(images), -1)
            digits = np.asarray(definition.labels)[classes].reshape(len(images), -1)
            classes = digits @ 10 ** np.arange(digits.shape[1] - 1, -1, -1)
        return Features(vectors * np.float32(self.trained.scale), classes)


def open_extractor(
    images: RealImages,
    config: EvaluationConfig,
    settings: Settings,
    storage: Storage,
    device: str,
    advance: Callable[[int, int], None],
    downloading: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> Extractor:
    """Open the configured extractor; `auto` chooses the classifier if there are enough labels.

    `advance(step, steps)` is called during a classifier's training, `downloading(stage, done, total)` during a
    download. Raises `UsageError` when `classifier` is asked for but the data has fewer than two classes, `DataError`
    when the weights of `inception` are unavailable.
    """
    # Imported only when needed: the pretrained networks take seconds to import.
    if config.extractor == "inception":
        from wgan.evaluation.extractors.inception import open_inception

        return open_inception(settings, storage, device, downloading)
    if config.extractor == "imagenet-lite":
        from wgan.evaluation.extractors.imagenet_lite import open_imagenet_lite

        return open_imagenet_lite(images, settings, storage, device)
    if not _wants_classifier(images, config):
        return fit_pixel_extractor(images)
    trained = cached_classifier(images, settings, storage, device, advance)
    digest = weights_digest(trained.network.state_dict(), trained.scale)
    return ClassifierExtractor(trained, _class_shares(images, trained), device, digest)


def _wants_classifier(images: RealImages, config: EvaluationConfig) -> bool:
    labels = images.labels
    classes = 0 if labels is None else len(np.unique(labels))
    if config.extractor == "classifier" and classes < 2:
        raise UsageError(
            f"evaluation.extractor=classifier needs labels of at least two classes, and {images.ref.name} has "
            f"{classes}; use pixels or auto."
        )
    if config.extractor != "auto":
        return config.extractor == "classifier"
    if images.ref.source == "stacked-mnist":
        classes = 10
    return classes >= 2 and images.count >= LEAST_IMAGES_PER_CLASS * classes


def _class_shares(images: RealImages, trained: TrainedClassifier) -> NDArray[np.float64]:
    if trained.definition.channelwise:
        # Uniform over the thousand triples, as in VEEGAN and PacGAN, however few of each the data holds.
        return np.full(STACKED_MODES, 1 / STACKED_MODES)
    assert images.labels is not None
    counts = np.bincount(np.searchsorted(trained.definition.labels, images.labels))
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares
