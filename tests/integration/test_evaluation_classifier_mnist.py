"""The classifier on the real MNIST: good enough to judge by."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.evaluation.example_images import ImagesInMemory
from wgan.evaluation.classifier import define_classifier, train_classifier

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]


def test_it_names_at_least_985_of_1000_held_out_digits(shared_data: Path) -> None:
    raw = gzip.decompress((shared_data / "mnist" / "train-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((shared_data / "mnist" / "train-labels-idx1-ubyte.gz").read_bytes())
    small = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)
    pixels = np.stack([np.asarray(Image.fromarray(image).resize((32, 32))) for image in small])[:, None]
    images = ImagesInMemory(pixels, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64), source="mnist")
    assert train_classifier(images, define_classifier(images), "cpu").accuracy >= 0.985
