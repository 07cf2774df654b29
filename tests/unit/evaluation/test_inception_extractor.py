"""The Inception extractor: its features, and how to provide missing weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity import feature_extractor_inceptionv3
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from tests.unit.evaluation.example_images import ImagesInMemory, digits
from wgan.errors import DataError, UsageError
from wgan.evaluation.extractors.inception import inception_extractor, inception_weights
from wgan.settings import Settings
from wgan.storage import open_storage


def few_digits() -> ImagesInMemory:
    return ImagesInMemory(digits().pixels[:48])


def test_inception_gives_2048_unscaled_features_of_grey_images(monkeypatch: pytest.MonkeyPatch) -> None:
    # The published weights need a network; the path of the pixels does not depend on them.
    monkeypatch.setattr(feature_extractor_inceptionv3, "load_state_dict_from_url", lambda url, progress: {})
    monkeypatch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda network, weights: None)
    torch.manual_seed(0)
    network = FeatureExtractorInceptionV3("inception", ["2048"])
    extractor = inception_extractor(network, "ab" * 32, "cpu")
    grey = few_digits().pixels[:2]
    vectors = extractor(grey).vectors
    assert vectors.shape == (2, 2048)
    expected = network(torch.from_numpy(grey.repeat(3, axis=1)))[0].numpy()
    np.testing.assert_allclose(vectors, expected, rtol=1e-5)


def weights(tmp_path: Path, **settings: object) -> Path:
    where = Settings(_env_file=None, home=tmp_path / "home", **settings)
    return inception_weights(where, open_storage(where), lambda stage, done, total: None)


def test_a_setting_that_names_no_file_is_refused_with_the_required_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"WGAN_INCEPTION_WEIGHTS=.*absent is not a file: it must be weights-.*github"):
        weights(tmp_path, inception_weights=tmp_path / "absent")


def test_a_file_that_is_not_the_published_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(b"weights of something else")
    with pytest.raises(UsageError, match=r"has SHA-256 .*…, not 6726825d0af5…: it must be weights-"):
        weights(tmp_path, inception_weights=tmp_path / "other.pth")


def test_without_a_network_one_sentence_says_how_to_provide_the_file(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"download weights-inception-2015-12-05-6726825d\.pth from https://github"
    ) as told:
        weights(tmp_path, mirror_url="http://127.0.0.1:1")
    assert "set WGAN_INCEPTION_WEIGHTS to the file" in str(told.value)
