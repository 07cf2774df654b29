"""The real side in S3, computed once per data set and protocol; memorisation and bounds on real digits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.evaluation.example_images import ImagesInMemory, digits
from wgan.config import EvaluationConfig, NetworksConfig
from wgan.errors import UsageError
from wgan.evaluation.bounds import measure_bounds
from wgan.evaluation.side_by_side import measure_side_by_side, nearest_training_images
from wgan.records import Bounds, Measurement
from wgan.settings import Settings
from wgan.steps.side_by_side import untrained_images
from wgan.storage import Storage

CONFIG = EvaluationConfig(extractor="pixels", sample_count=200, seeds=2)
NETWORKS = NetworksConfig(width=4, latent_dim=8)
TRAINED_ON = 1400


@pytest.fixture(scope="module")
def images() -> ImagesInMemory:
    """Digits, 397 of them held out at random."""
    order = np.random.default_rng(0).permutation(1797)
    whole = digits()
    held_out = ImagesInMemory(whole.pixels[order[TRAINED_ON:]])
    return ImagesInMemory(whole.pixels[order[:TRAINED_ON]], held_out=held_out)


@pytest.fixture
def settings(stack: Settings, storage: Storage, request: pytest.FixtureRequest) -> Settings:
    """The test's own cache."""
    storage.ensure_bucket()
    return stack.model_copy(update={"evaluation_prefix": f"evaluation-{request.node.name}"})


Measure = Callable[[ImagesInMemory, Callable[[int, int], NDArray[np.uint8]]], tuple[Measurement, int]]


@pytest.fixture
def measure(settings: Settings, storage: Storage) -> Measure:
    """Measures one generator; also returns how many images went through the extractor."""

    def measured(images: ImagesInMemory, generate: Callable[[int, int], NDArray[np.uint8]]) -> tuple[Measurement, int]:
        seen = [0]
        found, _ = measure_side_by_side(
            generate, None, images, CONFIG, settings, storage, "cpu", lambda stage, done, total: seen.append(done)
        )
        return found, seen[-1]

    return measured


def copies(images: ImagesInMemory) -> Callable[[int, int], NDArray[np.uint8]]:
    return lambda seed, count: images.gather(np.random.default_rng(seed).integers(0, images.count, count))


def noise(seed: int, count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 32, 32), dtype=np.uint8)


def test_a_second_evaluation_extracts_no_real_image(images: ImagesInMemory, measure: Measure) -> None:
    generated = 2 * 200
    first, seen = measure(images, noise)
    assert seen > generated + TRAINED_ON  # every training image, and held-out ones
    second, seen = measure(images, noise)
    assert seen == generated
    assert second == first


def test_another_data_set_or_protocol_has_its_own_real_side(
    images: ImagesInMemory, settings: Settings, storage: Storage
) -> None:
    for config in (CONFIG, CONFIG.model_copy(update={"neighbours": 3})):
        measure_side_by_side(noise, None, images, config, settings, storage, "cpu")
    assert len(list(storage.list(settings.evaluation_prefix))) == 2


@pytest.mark.parametrize("damage", ["a flipped bit", "cut short", "no npz"])
def test_a_damaged_real_side_is_measured_again_and_replaced(
    damage: str, images: ImagesInMemory, measure: Measure, settings: Settings, storage: Storage,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    first, cost = measure(images, noise)
    [stored] = storage.list(settings.evaluation_prefix)
    content = bytearray(whole := storage.get_bytes(stored.key))
    content[len(content) // 2] ^= 1
    damaged = {"a flipped bit": bytes(content), "cut short": whole[:-1000], "no npz": b"not found"}[damage]
    storage.put_bytes(stored.key, damaged)
    with caplog.at_level(logging.WARNING):
        assert measure(images, noise) == (first, cost)
    assert "the real images are measured again" in caplog.text
    assert storage.get_bytes(stored.key) == whole


def test_copies_of_training_images_are_distinguished_from_unseen_ones(images: ImagesInMemory, measure: Measure) -> None:
    assert images.held_out is not None
    assert measure(images, copies(images))[0].metrics["memorisation"].mean == 1.0
    unseen = measure(images, copies(images.held_out))[0].metrics["memorisation"]
    assert unseen.mean == pytest.approx(0.5, abs=0.06)
    assert measure(images, noise)[0].metrics["memorisation"].mean < 0.05


def test_without_held_out_images_memorisation_is_not_measured(images: ImagesInMemory, measure: Measure) -> None:
    assert "memorisation" not in measure(replace(images, held_out=None), noise)[0].metrics


def test_a_training_image_is_its_own_nearest_one(images: ImagesInMemory, settings: Settings, storage: Storage) -> None:
    wanted = np.array([7, 1000, 3])
    found = nearest_training_images(images.gather(wanted), images, 2, CONFIG, settings, storage, "cpu")
    np.testing.assert_array_equal(found.indices[:, 0], wanted)
    np.testing.assert_array_equal(found.distances[:, 0], 0)
    assert (found.distances[:, 1] > 0).all()


def test_nearest_images_without_training_images_are_refused(
    images: ImagesInMemory, settings: Settings, storage: Storage
) -> None:
    config = CONFIG.model_copy(update={"memorisation_images": 0})
    with pytest.raises(UsageError, match=r"evaluation\.memorisation_images=0 leaves 0 training images"):
        nearest_training_images(images.gather(np.array([0])), images, 1, config, settings, storage, "cpu")


def bounds(images: ImagesInMemory, config: EvaluationConfig, settings: Settings, storage: Storage) -> Bounds:
    def untrained(seed: int, count: int) -> NDArray[np.uint8]:
        return untrained_images(images, NETWORKS, config.seed, "cpu", seed, count)

    return measure_bounds(images, NETWORKS, untrained, config, settings, storage, "cpu")


def test_held_out_digits_and_an_untrained_generator_are_the_bounds(
    images: ImagesInMemory, settings: Settings, storage: Storage
) -> None:
    found = bounds(images, CONFIG, settings, storage)
    assert found.real_images is not None
    real_images, untrained = found.real_images.metrics, found.untrained.metrics
    for name in ("fid", "kernel_distance", "sliced_wasserstein"):
        assert real_images[name].high < untrained[name].low, name
    for name in ("recall", "coverage"):
        assert real_images[name].low > untrained[name].high, name
    assert real_images["kernel_distance"].low < 0 < real_images["kernel_distance"].high  # unbiased
    assert real_images["memorisation"].values == (0.5, 0.5)
    assert found.real_images.protocol == found.untrained.protocol
    assert bounds(images, CONFIG, settings, storage) == found


def test_damaged_bounds_are_measured_again(
    images: ImagesInMemory, settings: Settings, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    first = bounds(images, CONFIG, settings, storage)
    [stored] = storage.list(f"{settings.evaluation_prefix}/bounds")
    content = storage.get_bytes(stored.key)
    assert b'"mean": 0.5' in content
    storage.put_bytes(stored.key, content.replace(b'"mean": 0.5', b'"mean": 0.4'))
    with caplog.at_level(logging.WARNING):
        assert bounds(images, CONFIG, settings, storage) == first
    assert "real images and untrained are measured again" in caplog.text


def test_too_few_held_out_images_omit_the_real_bound_and_name_a_sample_size_that_works(
    images: ImagesInMemory, settings: Settings, storage: Storage
) -> None:
    found = bounds(images, CONFIG.model_copy(update={"sample_count": 500}), settings, storage)
    assert found.real_images is None
    assert found.no_real_images_reason == (
        "397 images are held out, the protocol asks for 500: with evaluation.sample_count=397 real images can be "
        "measured."
    )
