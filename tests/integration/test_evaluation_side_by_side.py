"""Real digits, a real S3 server: two generators measured side by side and judged; mode collapse caught by name."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.evaluation.example_images import ImagesInMemory
from wgan.config import DataConfig, EvaluationConfig
from wgan.config_promotion import PromotionConfig
from wgan.config_reading import load_config
from wgan.data.dataset import PreparedImages, open_dataset
from wgan.data.prepare import prepare_dataset
from wgan.errors import DataError, UsageError
from wgan.evaluation.gate import decide
from wgan.evaluation.side_by_side import GenerateImages, measure_side_by_side
from wgan.records import Measurement
from wgan.settings import Settings
from wgan.storage import Storage

Measure = Callable[[GenerateImages, GenerateImages | None], tuple[Measurement, Measurement | None]]
PROTOCOL = load_config("digits").evaluation
RULES = PromotionConfig()


@pytest.fixture(scope="module")
def digits(stack: Settings, storage: Storage) -> PreparedImages:
    return open_dataset(prepare_dataset(DataConfig(source="digits"), stack, storage), stack, storage)


@pytest.fixture(scope="module")
def measure(digits: PreparedImages, stack: Settings, storage: Storage) -> Measure:
    return lambda challenger, champion: measure_side_by_side(
        challenger, champion, digits, PROTOCOL, stack, storage, "cpu"
    )


def redrawn(digits: PreparedImages, noise: float = 0.0, classes: int = 10) -> GenerateImages:
    """A generator that shows real digits of the first `classes` classes under normal noise (grey levels)."""
    assert digits.labels is not None
    pool = np.flatnonzero(digits.labels < classes)

    def generate(seed: int, count: int) -> NDArray[np.uint8]:
        draw = np.random.default_rng(seed)
        images = digits.gather(draw.choice(pool, count))
        return np.clip(np.rint(images + draw.normal(0, noise, images.shape)), 0, 255).astype(np.uint8)

    return generate


def one_digit(digits: PreparedImages) -> GenerateImages:
    """A generator collapsed onto a single image."""
    return lambda seed, count: np.repeat(digits.gather(np.array([0])), count, axis=0)


def grey_noise(seed: int, count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 32, 32), dtype=np.uint8)


def test_real_images_are_near_the_floor_and_noise_is_near_the_ceiling(digits: PreparedImages, measure: Measure) -> None:
    real, noise = measure(redrawn(digits), grey_noise)
    assert noise is not None
    means = {name: interval.mean for name, interval in real.metrics.items()}
    assert means["fid"] < 2  # percent of the real images' variance
    assert min(means["precision"], means["recall"], means["coverage"]) > 0.9
    assert means["density"] == pytest.approx(1, abs=0.2)
    assert means["modes"] == 10
    assert means["reverse_kl"] < 0.02
    assert noise.metrics["fid"].mean > 30
    assert noise.metrics["coverage"].mean < 0.1
    assert decide(real, noise, RULES).promote
    assert not decide(noise, real, RULES).promote


def test_a_third_of_the_modes_removed_is_refused_by_name_though_the_distance_improves(
    digits: PreparedImages, measure: Measure
) -> None:
    challenger, champion = measure(redrawn(digits, classes=7), redrawn(digits, noise=55))
    assert champion is not None
    decision = decide(challenger, champion, RULES)
    rules = {rule.name: rule for rule in decision.rules}
    assert rules["fid"].passed  # clean digits of seven classes lie nearer than noisy ones of ten
    assert not rules["modes"].passed
    assert not decision.promote
    assert decision.reason.startswith("Modes 7 against ")


def test_a_generator_collapsed_onto_one_image_is_precise_and_recalls_nothing(
    digits: PreparedImages, measure: Measure
) -> None:
    collapsed, _ = measure(one_digit(digits), None)
    assert collapsed.metrics["precision"].mean == 1.0
    assert collapsed.metrics["recall"].mean <= 1 / 1024  # the image itself
    assert collapsed.metrics["coverage"].mean < 0.02
    assert collapsed.metrics["modes"].mean == 1.0
    assert collapsed.metrics["reverse_kl"].mean == pytest.approx(np.log(10), abs=0.05)
    assert not decide(collapsed, None, load_config("digits").promotion).promote


def test_the_same_inputs_give_the_same_numbers(digits: PreparedImages, measure: Measure) -> None:
    assert measure(redrawn(digits, noise=20), None) == measure(redrawn(digits, noise=20), None)


def test_both_sides_share_the_protocol_and_it_records_what_was_used(digits: PreparedImages, measure: Measure) -> None:
    mine, theirs = measure(redrawn(digits), redrawn(digits, noise=10))
    assert theirs is not None
    assert mine.protocol == theirs.protocol
    assert mine.protocol.extractor == "classifier"
    assert mine.protocol.extractor_accuracy is not None
    assert mine.protocol.extractor_accuracy >= 0.97
    assert mine.protocol.sample_count == 1024
    assert len(mine.metrics["fid"].values) == len(mine.protocol.seeds) == 5
    assert mine.protocol.data_digest == digits.ref.digest


def test_the_classifier_is_trained_once_and_again_if_damaged(
    digits: PreparedImages, stack: Settings, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    settings = stack.model_copy(update={"evaluation_prefix": "evaluation-of-this-test"})
    config = PROTOCOL.model_copy(update={"sample_count": 64, "seeds": 2})

    def measured() -> tuple[Measurement, set[str]]:
        stages: list[str] = []
        result, _ = measure_side_by_side(
            redrawn(digits), None, digits, config, settings, storage, "cpu", lambda stage, *_: stages.append(stage)
        )
        return result, set(stages)

    first, stages = measured()
    assert stages == {"classifier", "evaluation"}
    second, stages = measured()
    assert stages == {"evaluation"}
    assert second == first
    [stored] = storage.list(f"{settings.evaluation_prefix}/classifiers/")
    assert digits.ref.digest in stored.key
    content = bytearray(storage.get_bytes(stored.key))
    content[-5] ^= 64
    storage.put_bytes(stored.key, bytes(content))
    with caplog.at_level(logging.WARNING):
        third, stages = measured()
    assert stages == {"classifier", "evaluation"}
    assert "training the classifier again" in caplog.text
    assert third == first


def test_progress_ends_at_the_total(digits: PreparedImages, stack: Settings, storage: Storage) -> None:
    told: list[tuple[int, int | None]] = []
    config = PROTOCOL.model_copy(update={"extractor": "pixels", "sample_count": 100, "seeds": 2})
    measure_side_by_side(
        redrawn(digits),
        redrawn(digits, noise=9),
        digits,
        config,
        stack,
        storage,
        "cpu",
        lambda stage, done, total: told.append((done, total)),
    )
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize("count", [2, 3, 16])
def test_a_tiny_unlabelled_set_is_measured_with_all_its_images(count: int, stack: Settings, storage: Storage) -> None:
    images = ImagesInMemory(np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8))
    found, _ = measure_side_by_side(
        lambda seed, n: np.random.default_rng(seed).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8),
        None,
        images,
        EvaluationConfig(),
        stack,
        storage,
        "cpu",
    )
    assert found.protocol.extractor == "pixels"
    assert found.protocol.sample_count == count
    assert found.protocol.neighbours == min(5, count - 1)
    assert set(found.metrics) == {
        "fid", "kernel_distance", "precision", "recall", "density", "coverage", "sliced_wasserstein",
    }  # fmt: skip
    assert all(np.isfinite(interval.values).all() for interval in found.metrics.values())


def test_too_few_images_for_a_classifier_are_judged_by_pixels(stack: Settings, storage: Storage) -> None:
    images = ImagesInMemory(np.zeros((30, 1, 32, 32), dtype=np.uint8), np.arange(30) % 10)
    found, _ = measure_side_by_side(
        lambda seed, n: np.zeros((n, 1, 32, 32), dtype=np.uint8),
        None,
        images,
        EvaluationConfig(),
        stack,
        storage,
        "cpu",
    )
    assert found.protocol.extractor == "pixels"


def test_a_generator_of_another_shape_is_refused_in_one_sentence(
    digits: PreparedImages, stack: Settings, storage: Storage
) -> None:
    config = EvaluationConfig(extractor="pixels", sample_count=16, seeds=2)
    with pytest.raises(DataError, match=r"the champion made images uint8 \(16, 3, 64, 64\), but digits asks for"):
        measure_side_by_side(
            redrawn(digits),
            lambda seed, n: np.zeros((n, 3, 64, 64), dtype=np.uint8),
            digits,
            config,
            stack,
            storage,
            "cpu",
        )


def test_the_classifier_is_refused_without_labels(stack: Settings, storage: Storage) -> None:
    images = ImagesInMemory(np.zeros((30, 1, 32, 32), dtype=np.uint8), source="folder")
    with pytest.raises(UsageError, match=r"evaluation\.extractor=classifier needs labels"):
        measure_side_by_side(
            lambda seed, n: np.zeros((n, 1, 32, 32), dtype=np.uint8),
            None,
            images,
            EvaluationConfig(extractor="classifier"),
            stack,
            storage,
            "cpu",
        )
