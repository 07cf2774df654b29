"""The hashes of a data set's images are computed once, and those beside the data set are checked before they count."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from tests.integration.data_object_store import ObjectStore, recorded_requests
from wgan.config import DataConfig
from wgan.data.copies import exact_copies
from wgan.data.pixel_hashes import NAME, pixel_hashes
from wgan.data.prepare import prepare_dataset
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.steps.new_data import count_new
from wgan.storage import Storage, open_storage

COUNT = 60


@pytest.fixture
def settings(store: ObjectStore, tmp_path: Path) -> Settings:
    return store.settings(tmp_path / "home", signing_key=SecretStr("0123456789abcdef"))


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


def digits(count: int, settings: Settings, storage: Storage, image_size: int = 32) -> DatasetRef:
    config = DataConfig(source="digits", max_images=count, image_size=image_size)
    return prepare_dataset(config, settings, storage)


def key(dataset: DatasetRef) -> str:
    return f"datasets/{dataset.name}/{dataset.digest}/{NAME}"


def test_the_images_are_read_once(settings: Settings, storage: Storage) -> None:
    dataset = digits(COUNT, settings, storage)
    hashes = pixel_hashes(dataset, settings, storage)
    assert np.array_equal(exact_copies(hashes), np.arange(COUNT)), "no two digits are equal"
    shutil.rmtree(settings.cache)
    requests = recorded_requests(storage)
    assert np.array_equal(pixel_hashes(dataset, settings, storage), hashes)
    assert len(requests) == 1


@pytest.mark.parametrize("content", [b"", b"\0" * (8 * COUNT), b"\0" * 8])
def test_hashes_of_somebody_else_are_computed_again(content: bytes, settings: Settings, storage: Storage) -> None:
    dataset = digits(COUNT, settings, storage)
    hashes = pixel_hashes(dataset, settings, storage)
    kept = storage.get_bytes(key(dataset))
    storage.put_bytes(key(dataset), content)
    assert np.array_equal(pixel_hashes(dataset, settings, storage), hashes)
    assert storage.get_bytes(key(dataset)) == kept


def test_hashes_that_do_not_cover_all_images_are_computed_again(settings: Settings, storage: Storage) -> None:
    unsigned = settings.model_copy(update={"signing_key": None})
    dataset = digits(COUNT, unsigned, storage)
    hashes = pixel_hashes(dataset, unsigned, storage)
    storage.put_bytes(key(dataset), storage.get_bytes(key(dataset))[:-8])
    assert np.array_equal(pixel_hashes(dataset, unsigned, storage), hashes)


def test_images_are_new_unless_the_earlier_data_has_them_and_all_are_if_they_have_another_shape(
    settings: Settings, storage: Storage
) -> None:
    before, now, large = (
        digits(count, settings, storage, size) for count, size in ((50, 32), (COUNT, 32), (COUNT, 64))
    )
    assert count_new(now, before, settings, storage) == COUNT - 50
    assert count_new(before, now, settings, storage) == 0
    assert count_new(large, before, settings, storage) == COUNT
