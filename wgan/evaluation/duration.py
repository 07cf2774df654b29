"""Estimates how long an evaluation takes on this machine: times its parts on random images and scales them up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wgan.config import LOCATED_SOURCES, EvaluationConfig, RetrainConfig
from wgan.evaluation.extractors.choose import ClassifierExtractor
from wgan.evaluation.extractors.classifier import ClassifierDefinition, train_classifier, training_steps
from wgan.evaluation.extractors.features import Extractor, extract
from wgan.evaluation.extractors.pixels import PixelExtractor
from wgan.evaluation.metrics.compute import compute_metrics
from wgan.evaluation.reference import gathered, measure_reference
from wgan.evaluation.side_by_side import GenerateImages
from wgan.plugins import is_import_path
from wgan.records import DatasetRef, EvaluationProtocol

MOST_PIXELS, LEAST_IMAGES = 2**20, 128
"""Maximum pixels (of one channel) and minimum images of a timed sample.

The cost per image is assumed to be constant; it was measured to be, from 512 to 5,000 images.
"""
CLASSES, CLASSIFIER_STEPS, CLASSIFIED = 10, 16, 256
SEED = 0

Result = TypeVar("Result")


@dataclass(frozen=True)
class Noise:
    """A data set (`wgan.evaluation.reference.RealImages`) of random pixels; only its shape matters."""

    ref: DatasetRef
    count: int
    held_out: Noise | None = None

    @property
    def channels(self) -> int:
        """1 grey, 3 RGB."""
        return self.ref.channels

    @property
    def image_size(self) -> int:
        """Height and width, pixels."""
        return self.ref.image_size

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of every image, (count,)."""
        return np.arange(self.count, dtype=np.int64) % CLASSES

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images (N, C, H, W), the same for any indices: the pixel values do not affect the cost."""
        draw = np.random.Generator(np.random.Philox(SEED))
        shape = (len(indices), self.channels, self.image_size, self.image_size)
        return draw.integers(0, 256, shape, dtype=np.uint8)


def seconds_of_evaluation(config: RetrainConfig, draw: GenerateImages, device: str, *, champion: bool) -> float | None:
    """Estimated seconds of a first evaluation: generator, untrained generator, real images and the champion, if any.

    `draw` is a generator of the configuration, `device` a torch device. Work that later evaluations reuse, such as
    training the classifier, counts in full. Returns None if the features need a download.
    """
    protocol = config.evaluation
    if protocol.extractor in ("inception", "imagenet-lite"):
        return None
    count = min(protocol.sample_count, config.data.max_images or protocol.sample_count)
    timed = min(count, max(LEAST_IMAGES, MOST_PIXELS // config.data.image_size**2))
    training = min(protocol.memorisation_images, config.data.max_images or protocol.memorisation_images)
    images = _noise(config, timed, max(16, training * timed // count))
    exact = "cpu" if device.startswith("mps") else device
    extractor, classifier_seconds = _extractor(config, images, device)
    small = _protocol(protocol, timed, images)
    reference = measure_reference(images, extractor, small, protocol.batch_size, exact, lambda _: None)

    drawing, generated = _time(lambda: draw(SEED, timed))
    extracting, features = _time(lambda: extract(extractor, gathered(images, np.arange(timed), protocol.batch_size)))
    measuring, _ = _time(
        lambda: compute_metrics(reference.at(SEED), features, generated, SEED, small, extractor.class_shares, exact)
    )
    larger = count / timed
    drawing, extracting, measuring = drawing * larger, extracting * larger, measuring * larger
    real_side = protocol.seeds * (extracting + measuring) + extracting * training / count
    others = 2 if champion else 1  # besides the generator: the untrained one
    return (
        classifier_seconds
        + real_side
        + protocol.seeds * (1 + others) * (drawing + extracting + measuring)
        + protocol.seeds * (extracting + measuring)  # real images in the generator's place
    )


def _noise(config: RetrainConfig, count: int, training: int) -> Noise:
    ref = DatasetRef(
        name=config.data.dataset_name,
        source=config.data.source,
        digest="",
        uri="",
        manifest_sha256="",
        count=max(count, training),
        bad_count=0,
        image_size=config.data.image_size,
        channels=config.data.channels,
        classes=tuple(map(str, range(CLASSES))),
    )
    return Noise(ref, ref.count, Noise(ref, count))


def _extractor(config: RetrainConfig, images: Noise, device: str) -> tuple[Extractor, float]:
    """The untrained extractor, and the seconds its training takes."""
    source = config.data.source
    has_labels = source not in LOCATED_SOURCES and not is_import_path(source)
    if config.evaluation.extractor == "pixels" or (config.evaluation.extractor == "auto" and not has_labels):
        return PixelExtractor(1.0), 0.0
    stacked = source == "stacked-mnist"
    definition = ClassifierDefinition(1 if stacked else images.channels, stacked, tuple(range(CLASSES)))
    short = replace(definition, images_seen=1, least_steps=CLASSIFIER_STEPS)
    few = Noise(images.ref, CLASSIFIED)
    seconds, trained = _time(lambda: train_classifier(few, short, device))
    steps = training_steps(config.data.max_images, definition)
    shares = np.full(1000 if stacked else CLASSES, 1 / (1000 if stacked else CLASSES))
    return ClassifierExtractor(trained, shares, device, "untrained"), seconds / CLASSIFIER_STEPS * steps


def _protocol(config: EvaluationConfig, count: int, images: Noise) -> EvaluationProtocol:
    return EvaluationProtocol(
        extractor="timed",
        extractor_digest="",
        data_digest="",
        sample_count=count,
        seeds=(SEED,),
        neighbours=min(config.neighbours, count - 1),
        captured_share=config.captured_share,
        training_images=images.count if config.memorisation_images else 0,
        held_out_images=count if config.memorisation_images else 0,
        confidence=config.confidence,
    )


def _time(work: Callable[[], Result]) -> tuple[float, Result]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result
