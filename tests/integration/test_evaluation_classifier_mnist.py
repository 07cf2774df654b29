"""The classifier on the real MNIST is accurate enough to judge by and to count the thousand modes of Stacked-MNIST."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.evaluation.example_images import ImagesInMemory
from wgan.data.sources.stacked_mnist import stack_triples
from wgan.evaluation.extractors.choose import STACKED_MODES, ClassifierExtractor
from wgan.evaluation.extractors.classifier import TrainedClassifier, define_classifier, train_classifier
from wgan.evaluation.metrics.modes import modes_captured, reverse_kl

pytestmark = pytest.mark.slow

SAMPLES = 26_000
"""PacGAN's protocol (Lin et al. 2018)."""


@pytest.fixture(scope="module")
def mnist(shared_data: Path) -> ImagesInMemory:
    raw = gzip.decompress((shared_data / "mnist" / "train-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((shared_data / "mnist" / "train-labels-idx1-ubyte.gz").read_bytes())
    small = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)
    pixels = np.stack([np.asarray(Image.fromarray(image).resize((32, 32))) for image in small])[:, None]
    return ImagesInMemory(pixels, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64), source="mnist")


@pytest.fixture(scope="module")
def classifier(mnist: ImagesInMemory) -> TrainedClassifier:
    return train_classifier(mnist, define_classifier(mnist), "cpu")


def test_it_names_at_least_985_of_1000_held_out_digits(classifier: TrainedClassifier) -> None:
    assert classifier.accuracy >= 0.985


def test_real_stacked_triples_give_a_thousand_modes_at_the_expected_divergence(
    mnist: ImagesInMemory, classifier: TrainedClassifier
) -> None:
    # The digits' own classifier, asked channel by channel, as stacked-mnist's is.
    channelwise = replace(classifier, definition=replace(classifier.definition, channelwise=True))
    uniform = np.full(STACKED_MODES, 1 / STACKED_MODES)
    extractor = ClassifierExtractor(channelwise, uniform, "cpu", "")
    assert mnist.labels is not None
    drawn, named = [], []
    for images, triples in stack_triples(mnist.pixels[:, 0], mnist.labels, SAMPLES, seed=1):
        channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        for part in np.array_split(channels_first, -(-len(images) // 512)):
            named.append(extractor(part).classes)
        drawn.append(triples)
    classes, truth = np.concatenate(named), np.concatenate(drawn)
    assert modes_captured(classes, uniform, captured_share=0) == 1000
    # (K − 1) / 2N = 0.0192 for uniform triples; MNIST's digits are not equally frequent, which adds about 0.004.
    assert reverse_kl(truth, uniform) == pytest.approx(0.0235, abs=0.002)
    assert reverse_kl(classes, uniform) == pytest.approx(0.0235, abs=0.002)
    assert (classes == truth).mean() > 0.95
