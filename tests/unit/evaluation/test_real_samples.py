"""The real images that a seed compares with, also when there are few."""

from __future__ import annotations

import numpy as np

from tests.unit.evaluation.example_images import ImagesInMemory, digits
from wgan.evaluation.extractors.pixels import fit_pixel_extractor
from wgan.evaluation.reference import draw_subset, measure_reference, reference_cost, reference_indices
from wgan.records import EvaluationProtocol


def test_a_sample_holds_distinct_images_chosen_by_the_seed() -> None:
    subset = draw_subset(1797, 1024, seed=5)
    assert len(np.unique(subset)) == 1024
    assert subset.max() < 1797
    np.testing.assert_array_equal(subset, draw_subset(1797, 1024, seed=5))
    assert not np.array_equal(subset, draw_subset(1797, 1024, seed=6))


def test_a_sample_as_large_as_the_data_is_the_data() -> None:
    np.testing.assert_array_equal(draw_subset(16, 16, seed=3), np.arange(16))


def protocol(sample_count: int, *seeds: int) -> EvaluationProtocol:
    return EvaluationProtocol(
        extractor="pixels",
        extractor_digest="",
        data_digest=digits().ref.digest,
        sample_count=sample_count,
        seeds=seeds,
        neighbours=5,
        training_images=100,
        confidence=0.95,
    )


def test_an_image_drawn_by_several_seeds_is_extracted_once() -> None:
    seen: list[int] = []
    asked = protocol(1024, 1, 2, 3)
    measure_reference(digits(), fit_pixel_extractor(digits()), asked, 100, "cpu", seen.append)
    assert sum(seen) == len(reference_indices(1797, asked)) == reference_cost(digits(), asked) <= 1797
    assert max(seen) <= 100


def test_a_seeds_features_are_those_of_its_images() -> None:
    extractor = fit_pixel_extractor(digits())
    reference = measure_reference(digits(), extractor, protocol(200, 1, 2), 64, "cpu", lambda count: None)
    expected = extractor(digits().gather(draw_subset(1797, 200, 2)))
    np.testing.assert_array_equal(reference.at(2).vectors, expected.vectors)
    training = extractor(digits().gather(reference.indices[reference.training_rows]))
    np.testing.assert_array_equal(reference.at(1).training, training.vectors)


def test_pixel_features_are_patch_means_with_a_total_variance_of_one_hundred() -> None:
    images = np.random.default_rng(0).integers(0, 256, (500, 3, 64, 64), dtype=np.uint8)
    extractor = fit_pixel_extractor(ImagesInMemory(images, source="folder"))
    vectors = extractor(images).vectors
    assert vectors.shape == (500, 3 * 8 * 8)
    np.testing.assert_allclose(vectors.var(axis=0, dtype=np.float64).sum(), 100, rtol=1e-4)
    np.testing.assert_allclose(vectors[0, 0], images[0, 0, :8, :8].mean() / 255 * extractor.scale, rtol=1e-5)


def test_equal_images_have_features_too() -> None:
    images = np.full((20, 1, 32, 32), 7, dtype=np.uint8)
    assert np.isfinite(fit_pixel_extractor(ImagesInMemory(images)).scale)
