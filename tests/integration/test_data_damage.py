"""Damaged bytes are never used: they are fetched again, repaired, or refused by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.data_object_store import ObjectStore, recorded_requests
from wgan.config import DataConfig
from wgan.data.cache import cache_folder
from wgan.data.dataset import open_dataset
from wgan.data.manifest import DatasetDamaged
from wgan.data.prepare import open_or_repair, prepare_dataset, repair_dataset
from wgan.errors import DataError
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.storage import Storage, open_storage, split_uri


@pytest.fixture
def settings(store: ObjectStore, tmp_path: Path) -> Settings:
    return store.settings(tmp_path / "home")


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    folder = tmp_path / "pictures"
    for number in range(20):
        path = folder / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), number).save(path)
    return DataConfig(source="folder", location=str(folder), name="pictures")


@pytest.fixture
def ref(config: DataConfig, settings: Settings, storage: Storage) -> DatasetRef:
    return prepare_dataset(config, settings, storage)


def values(ref: DatasetRef, settings: Settings, storage: Storage) -> list[int]:
    """The value of each picture."""
    opened = open_dataset(ref, settings, storage)
    return sorted(opened.gather(np.arange(opened.count))[:, 0, 0, 0].tolist())


def key_of(ref: DatasetRef, name: str) -> str:
    return split_uri(ref.uri)[1].replace("manifest.json", name)


def flip_in_store(storage: Storage, key: str) -> None:
    content = bytearray(storage.get_bytes(key))
    content[len(content) // 2] ^= 1
    storage.put_bytes(key, bytes(content))


def flip_in_cache(settings: Settings, ref: DatasetRef, name: str = "images-00000.npy") -> None:
    path = cache_folder(settings, ref.name, ref.digest) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty_cache(settings: Settings) -> None:
    shutil.rmtree(settings.cache)


@pytest.mark.parametrize("name", ["images-00000.npy", "labels.npy"])
def test_a_flipped_bit_in_the_cache_is_fetched_again(
    ref: DatasetRef, settings: Settings, storage: Storage, name: str
) -> None:
    flip_in_cache(settings, ref, name)
    requests = recorded_requests(storage)
    assert values(ref, settings, storage) == list(range(20))
    assert f"GET {key_of(ref, name)}" in requests


@pytest.mark.parametrize("name", ["images-00000.npy", "labels.npy"])
@pytest.mark.parametrize("harm", [flip_in_store, Storage.delete], ids=["flipped", "lost"])
def test_damage_in_the_store_without_a_local_copy_is_refused_by_name(
    ref: DatasetRef, settings: Settings, storage: Storage, name: str, harm: Callable[[Storage, str], None]
) -> None:
    harm(storage, key_of(ref, name))
    empty_cache(settings)
    with pytest.raises(DatasetDamaged, match=f"s3://{settings.bucket}/{key_of(ref, name)} is (damaged|missing)"):
        open_dataset(ref, settings, storage)
    assert not list(cache_folder(settings, ref.name, ref.digest).rglob(name))


@pytest.mark.parametrize("name", ["images-00000.npy", "labels.npy"])
@pytest.mark.parametrize("harm", [flip_in_store, Storage.delete], ids=["flipped", "lost"])
def test_verifying_rebuilds_what_the_store_lost(
    ref: DatasetRef,
    config: DataConfig,
    settings: Settings,
    storage: Storage,
    name: str,
    harm: Callable[[Storage, str], None],
) -> None:
    harm(storage, key_of(ref, name))
    empty_cache(settings)
    assert prepare_dataset(config, settings, storage, verify=True) == ref
    empty_cache(settings)
    assert values(ref, settings, storage) == list(range(20))


@pytest.mark.parametrize("name", ["images-00000.npy", "labels.npy"])
def test_verifying_restores_what_the_store_lost_from_an_intact_local_copy(
    ref: DatasetRef, config: DataConfig, settings: Settings, storage: Storage, name: str
) -> None:
    open_dataset(ref, settings, storage)
    storage.delete(key_of(ref, name))
    assert prepare_dataset(config, settings, storage, verify=True) == ref
    assert storage.exists(key_of(ref, name))


def test_verifying_an_intact_data_set_reads_no_image_again(
    ref: DatasetRef, config: DataConfig, settings: Settings, storage: Storage
) -> None:
    open_dataset(ref, settings, storage)
    requests = recorded_requests(storage)
    assert prepare_dataset(config, settings, storage, verify=True) == ref
    assert f"GET {key_of(ref, 'images-00000.npy')}" not in requests
    assert f"GET {key_of(ref, 'manifest.json')}" in requests


def test_opening_for_training_repairs_the_data(
    ref: DatasetRef, config: DataConfig, settings: Settings, storage: Storage
) -> None:
    flip_in_store(storage, key_of(ref, "images-00000.npy"))
    flip_in_cache(settings, ref)
    assert open_or_repair(ref, config, settings, storage).ref == ref
    assert values(ref, settings, storage) == list(range(20))


def test_an_intact_local_copy_repairs_the_store_without_the_source(
    ref: DatasetRef, config: DataConfig, settings: Settings, storage: Storage
) -> None:
    flip_in_store(storage, key_of(ref, "images-00000.npy"))
    told: list[str] = []
    assert repair_dataset(config, settings, storage, lambda phase, *_: told.append(phase)) == ref
    assert "decode" not in told
    empty_cache(settings)
    assert values(ref, settings, storage) == list(range(20))


def test_a_changed_source_cannot_repair_the_old_data_set(
    ref: DatasetRef, config: DataConfig, settings: Settings, storage: Storage
) -> None:
    flip_in_store(storage, key_of(ref, "images-00000.npy"))
    empty_cache(settings)
    Image.new("L", (32, 32), 99).save(f"{config.location}/a/00.png")
    with pytest.raises(DataError, match="cannot be repaired because its source has changed"):
        open_or_repair(ref, config, settings, storage)


def test_an_altered_manifest_is_refused(ref: DatasetRef, settings: Settings, storage: Storage) -> None:
    key = key_of(ref, "manifest.json")
    storage.put_bytes(key, storage.get_bytes(key).replace(b'"a"', b'"c"'))
    with pytest.raises(DatasetDamaged, match="is not the one that was recorded"):
        open_dataset(ref, settings, storage)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe"])
def test_an_unreadable_manifest_is_rewritten(
    ref: DatasetRef, config: DataConfig, settings: Settings, storage: Storage, content: bytes
) -> None:
    storage.put_bytes(key_of(ref, "manifest.json"), content)
    assert prepare_dataset(config, settings, storage) == ref


def test_a_missing_data_set_says_how_to_prepare_it_again(ref: DatasetRef, settings: Settings, storage: Storage) -> None:
    storage.delete(key_of(ref, "manifest.json"))
    with pytest.raises(DatasetDamaged, match=f"there is no data set {ref.uri}: `wgan data prepare`"):
        open_dataset(ref, settings, storage)
