"""The classifier behind the features: accurate, trained the same way every time, safe to store."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from tests.unit.evaluation.example_images import ImagesInMemory, digits, stacked
from wgan.evaluation.extractors.choose import ClassifierExtractor
from wgan.evaluation.extractors.classifier import (
    TrainedClassifier,
    channel_labels,
    define_classifier,
    shifted,
    to_input,
    train_classifier,
)
from wgan.evaluation.extractors.classifier_cache import (
    DamagedClassifier,
    pack_classifier,
    unpack_classifier,
    weights_digest,
)
from wgan.evaluation.extractors.features import extract

SHORT = dataclasses.replace(define_classifier(digits()), least_steps=3, images_seen=0)


@pytest.fixture(scope="module")
def trained() -> TrainedClassifier:
    return train_classifier(digits(), define_classifier(digits()), "cpu")


def extractor_of(classifier: TrainedClassifier) -> ClassifierExtractor:
    return ClassifierExtractor(classifier, None, "cpu", "digest")


def test_it_names_at_least_97_percent_of_the_digits_it_was_not_trained_on(trained: TrainedClassifier) -> None:
    assert trained.accuracy >= 0.97


def test_training_twice_gives_the_same_weights_to_the_bit() -> None:
    torch.manual_seed(1)
    first = train_classifier(digits(), SHORT, "cpu")
    torch.manual_seed(2)
    second = train_classifier(digits(), SHORT, "cpu")
    assert weights_digest(first.network.state_dict(), first.scale) == weights_digest(
        second.network.state_dict(), second.scale
    )


def test_training_does_not_change_torchs_random_stream() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train_classifier(digits(), SHORT, "cpu")
    assert torch.equal(torch.rand(3), expected)


def test_features_in_batches_equal_features_of_the_whole(trained: TrainedClassifier) -> None:
    images = digits().pixels[:300]
    whole = extract(extractor_of(trained), [images])
    batched = extract(extractor_of(trained), [images[:77], images[77:78], images[78:]])
    np.testing.assert_allclose(batched.vectors, whole.vectors, atol=1e-4)
    np.testing.assert_array_equal(batched.classes, whole.classes)


def test_real_images_have_a_total_variance_of_one_hundred(trained: TrainedClassifier) -> None:
    vectors = extract(extractor_of(trained), [digits().pixels]).vectors
    assert vectors.astype(np.float64).var(axis=0).sum() == pytest.approx(100, rel=1e-3)


def test_larger_images_are_averaged_down_to_the_input_size() -> None:
    definition, small = define_classifier(digits()), digits().pixels[:5]
    enlarged = small.repeat(2, axis=2).repeat(2, axis=3)
    torch.testing.assert_close(to_input(enlarged, definition, "cpu"), to_input(small, definition, "cpu"))


def test_training_does_not_change_the_number_of_threads() -> None:
    threads = torch.get_num_threads()
    train_classifier(digits(), SHORT, "cpu")
    assert torch.get_num_threads() == threads


def test_every_image_is_shifted_by_its_own_few_pixels_with_the_border_repeated() -> None:
    images = torch.rand(50, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="replicate")
    moves = set()
    for image, original in zip(shifted(images, 2, np.random.default_rng(0)), padded, strict=True):
        fits = [
            (down, right)
            for down in range(5)
            for right in range(5)
            if torch.equal(image, original[:, down : down + 8, right : right + 8])
        ]
        assert len(fits) == 1
        moves.add(fits[0])
    assert len(moves) > 10


def test_labels_need_not_be_consecutive() -> None:
    labels = digits().labels
    assert labels is not None
    definition = define_classifier(ImagesInMemory(digits().pixels, labels * 3 + 2))
    assert definition.labels == tuple(range(2, 30, 3))


def test_a_packed_classifier_is_read_back_to_the_bit(trained: TrainedClassifier) -> None:
    read = unpack_classifier(pack_classifier(trained), trained.definition, "cpu")
    assert (read.accuracy, read.scale) == (trained.accuracy, trained.scale)
    for name, value in trained.network.state_dict().items():
        assert torch.equal(read.network.state_dict()[name], value)


def test_a_flipped_bit_anywhere_in_the_weights_is_detected(trained: TrainedClassifier) -> None:
    packed = bytearray(pack_classifier(trained))
    packed[-1000] ^= 1
    with pytest.raises(DamagedClassifier, match="digest"):
        unpack_classifier(bytes(packed), trained.definition, "cpu")


@pytest.mark.parametrize("data", [b"", b"not safetensors at all", save({"weight": torch.zeros(2)})])
def test_bytes_that_are_not_a_classifier_are_refused(trained: TrainedClassifier, data: bytes) -> None:
    with pytest.raises(DamagedClassifier):
        unpack_classifier(data, trained.definition, "cpu")


def test_a_classifier_of_another_shape_is_refused(trained: TrainedClassifier) -> None:
    other = dataclasses.replace(trained.definition, labels=(0, 1, 2))
    with pytest.raises(DamagedClassifier, match="RuntimeError"):
        unpack_classifier(pack_classifier(trained), other, "cpu")


def test_the_stored_file_holds_arrays_and_text_only(trained: TrainedClassifier) -> None:
    packed = pack_classifier(trained)
    header = json.loads(packed[8 : 8 + int.from_bytes(packed[:8], "little")])
    assert json.loads(header["__metadata__"]["classifier"])["accuracy"] == trained.accuracy
    assert set(load(packed)) == set(trained.network.state_dict())


def test_stacked_labels_split_into_digits() -> None:
    np.testing.assert_array_equal(channel_labels(np.array([7, 120, 999]), 3), [[0, 0, 7], [1, 2, 0], [9, 9, 9]])


def test_stacked_digits_are_classified_channel_by_channel() -> None:
    triples = stacked(digits(), 1200)
    definition = dataclasses.replace(define_classifier(triples), least_steps=100)
    classifier = train_classifier(triples, definition, "cpu")
    assert classifier.accuracy >= 0.95  # of single digits
    features = extract(extractor_of(classifier), [triples.pixels[:400]])
    assert features.vectors.shape == (400, 3 * 64)
    assert triples.labels is not None
    assert (features.classes == triples.labels[:400]).mean() >= 0.85  # all three right
