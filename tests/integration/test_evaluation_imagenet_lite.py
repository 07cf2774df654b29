"""EfficientNet-Lite0 as an extractor: offline weights, grey as RGB, a scale cached in S3."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from tests.unit.evaluation.example_images import ImagesInMemory, digits
from wgan.evaluation.extractors.imagenet_lite import open_imagenet_lite
from wgan.evaluation.extractors.pretrained import PretrainedExtractor
from wgan.settings import Settings
from wgan.storage import Storage


def few_digits() -> ImagesInMemory:
    return ImagesInMemory(digits().pixels[:48])


@pytest.fixture(scope="module")
def lite(stack: Settings, storage: Storage) -> PretrainedExtractor:
    storage.ensure_bucket()
    return open_imagenet_lite(few_digits(), stack, storage, "cpu")


def test_imagenet_lite_gives_1280_features_with_a_total_variance_of_one_hundred(lite: PretrainedExtractor) -> None:
    vectors = lite(few_digits().pixels).vectors
    assert vectors.shape == (48, 1280)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors.var(axis=0, dtype=np.float64).sum(), 100, rtol=1e-3)


def test_the_scale_is_computed_once_and_again_if_damaged(
    lite: PretrainedExtractor, stack: Settings, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    [stored] = storage.list(f"{stack.evaluation_prefix}/imagenet-lite/{few_digits().ref.digest}")
    content = storage.get_bytes(stored.key)
    other = ImagesInMemory(digits().pixels[48:96])  # under the same data digest: the stored scale is taken
    assert open_imagenet_lite(other, stack, storage, "cpu").digest == lite.digest
    storage.put_bytes(stored.key, b"0x1.8p+1" + content[8:])
    with caplog.at_level(logging.WARNING):
        assert open_imagenet_lite(few_digits(), stack, storage, "cpu").digest == lite.digest
    assert "the scale of the features is computed again" in caplog.text
    assert storage.get_bytes(stored.key) == content


def test_grey_images_are_repeated_to_rgb(lite: PretrainedExtractor) -> None:
    grey = few_digits().pixels[:3]
    np.testing.assert_array_equal(lite(grey).vectors, lite(grey.repeat(3, axis=1)).vectors)


def test_an_image_larger_than_the_network_sees_is_shrunk(lite: PretrainedExtractor) -> None:
    large = np.random.default_rng(0).integers(0, 256, (1, 3, 256, 256), dtype=np.uint8)
    assert np.isfinite(lite(large).vectors).all()
