"""The smaller evaluation during training: the metrics of the judgement, on noise and real images of its own."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.evaluation.example_images import digits
from wgan.config import EvaluationConfig
from wgan.evaluation.during_training import SEED, TrainingEvaluation, with_real_images
from wgan.evaluation.extractors.features import extract
from wgan.evaluation.extractors.pixels import fit_pixel_extractor
from wgan.evaluation.metrics.frechet import frechet_distance
from wgan.evaluation.metrics.prdc import prdc
from wgan.evaluation.reference import draw_subset
from wgan.records import EvaluationProtocol


@pytest.fixture(scope="module")
def evaluation() -> TrainingEvaluation:
    extractor = fit_pixel_extractor(digits())
    protocol = EvaluationProtocol(
        extractor=extractor.name,
        extractor_digest=extractor.digest,
        data_digest="d",
        sample_count=64,
        seeds=(SEED,),
        neighbours=5,
        confidence=0.95,
    )
    return with_real_images(digits(), extractor, protocol, 50, "cpu")


def test_its_seed_is_one_that_no_judgement_can_have() -> None:
    largest = EvaluationConfig(seed=2**31 - 1, seeds=100)
    assert largest.seed + largest.seeds - 1 < SEED
    with pytest.raises(ValueError, match="less than 2147483648"):
        EvaluationConfig(seed=2**31)
    with pytest.raises(ValueError, match="less than or equal to 100"):
        EvaluationConfig(seeds=101)


def test_its_numbers_are_those_of_the_metrics_on_its_own_noise_and_real_images(evaluation: TrainingEvaluation) -> None:
    images = digits().pixels
    asked: list[tuple[int, int]] = []

    def generate(seed: int, count: int) -> np.ndarray:
        asked.append((seed, count))
        return images[:count]

    found = evaluation(generate)
    real = extract(evaluation.extractor, [images[draw_subset(len(images), 64, SEED)]]).vectors
    drawn = extract(evaluation.extractor, [images[:64]]).vectors
    assert asked == [(SEED, 64)]
    assert found["fid"] == pytest.approx(frechet_distance(real, drawn))
    expected = prdc(real, drawn, 5)
    assert (found["precision"], found["recall"], found["coverage"]) == pytest.approx(
        (expected.precision, expected.recall, expected.coverage)
    )
    assert "modes" not in found


def test_the_real_images_themselves_are_at_no_distance(evaluation: TrainingEvaluation) -> None:
    same = digits().pixels[draw_subset(digits().count, 64, SEED)]
    assert evaluation(lambda seed, count: same)["fid"] == pytest.approx(0, abs=1e-3)
