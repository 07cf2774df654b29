"""Data and cached measurements replaced by a writer of the bucket without the signing key are refused."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from tests.integration.data_object_store import ObjectStore, nanio_server
from tests.unit.evaluation.example_images import digits
from wgan.config import DataConfig, EvaluationConfig, NetworksConfig
from wgan.data.dataset import open_dataset
from wgan.data.manifest import DatasetDamaged, dataset_prefix, find_own_manifest
from wgan.data.prepare import open_or_repair, prepare_dataset
from wgan.evaluation.bounds import measure_bounds
from wgan.evaluation.extractors.classifier import ClassifierDefinition, define_classifier
from wgan.evaluation.reference import RealImages
from wgan.evaluation.reference_cache import DIGEST, _digest
from wgan.evaluation.side_by_side import measure_side_by_side
from wgan.records import DatasetRef, Measurement
from wgan.settings import Settings
from wgan.storage import Storage, open_storage, split_uri
from wgan.storage.signing import LABEL

CONFIG = DataConfig(source="digits", name="forged")
PROTOCOL = EvaluationConfig(extractor="pixels", sample_count=64, seeds=2)
CLASSIFIED = EvaluationConfig(extractor="classifier", sample_count=64, seeds=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with nanio_server(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(autouse=True)
def brief_classifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Barely trained classifiers: their accuracy does not matter here."""

    def define(images: RealImages) -> ClassifierDefinition:
        return replace(define_classifier(images), least_steps=20, images_seen=1)

    monkeypatch.setattr("wgan.evaluation.extractors.classifier_cache.define_classifier", define)


@pytest.fixture(params=[True, False], ids=["with a key", "without a key"])
def settings(store: ObjectStore, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    plain = store.settings(tmp_path / "home").model_copy(update={"datasets_prefix": f"datasets-{tmp_path.name}"})
    return plain.model_copy(update={"signing_key": SecretStr("the pipeline's own")}) if request.param else plain


@pytest.fixture
def signing(store: ObjectStore, tmp_path: Path) -> Settings:
    """With a key, and the test's own prefixes."""
    own = {
        "signing_key": SecretStr("the pipeline's own"),
        "datasets_prefix": f"datasets-{tmp_path.name}",
        "evaluation_prefix": f"evaluation-{tmp_path.name}",
    }
    return store.settings(tmp_path / "home").model_copy(update=own)


def forge(ref: DatasetRef, storage: Storage, settings: Settings) -> None:
    """Replace the first shard by black images, and adjust every hash and signature that needs no key."""
    _, key = split_uri(ref.uri)
    manifest = json.loads(storage.get_bytes(key))
    shard = manifest["shards"][0]
    pixels = np.load(io.BytesIO(storage.get_bytes(shard["key"])))
    file = io.BytesIO()
    np.save(file, np.zeros_like(pixels))
    shard["sha256"] = hashlib.sha256(file.getvalue()).hexdigest()
    storage.put_bytes(shard["key"], file.getvalue())
    storage.put_bytes(key, json.dumps(manifest, indent=1, sort_keys=True).encode())


def another_machine(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"home": tmp_path / "another"})


def test_forged_data_is_refused_where_a_record_pins_it(settings: Settings, tmp_path: Path) -> None:
    storage = open_storage(settings)
    ref = prepare_dataset(CONFIG, settings, storage)
    whole = open_dataset(ref, settings, storage).gather(np.arange(16))
    forge(ref, storage, settings)
    other = another_machine(settings, tmp_path)
    with pytest.raises(DatasetDamaged, match="not the one that was recorded"):
        open_dataset(ref, other, storage)
    repaired = open_or_repair(ref, CONFIG, other, storage)
    assert np.array_equal(repaired.gather(np.arange(16)), whole)


def test_forged_data_is_refused_where_nothing_pins_it(
    signing: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = open_storage(signing)
    ref = prepare_dataset(CONFIG, signing, storage)
    whole = open_dataset(ref, signing, storage).gather(np.arange(16))
    forge(ref, storage, signing)
    with pytest.raises(DatasetDamaged, match="not signed with WGAN_SIGNING_KEY"):
        find_own_manifest(signing, storage, dataset_prefix(signing, ref.name, ref.digest))
    other = another_machine(signing, tmp_path)
    with caplog.at_level(logging.WARNING):
        again = prepare_dataset(CONFIG, other, storage, verify=True)
    assert "is not signed with WGAN_SIGNING_KEY" in caplog.text
    assert again == ref
    assert np.array_equal(open_dataset(again, other, storage).gather(np.arange(16)), whole)


def test_a_prepared_data_set_is_found_by_everybody_with_the_key(signing: Settings, tmp_path: Path) -> None:
    storage = open_storage(signing)
    ref = prepare_dataset(CONFIG, signing, storage)
    before = {entry.key: entry.modified for entry in storage.list(f"{signing.datasets_prefix}/")}
    assert prepare_dataset(CONFIG, another_machine(signing, tmp_path), storage) == ref
    assert {entry.key: entry.modified for entry in storage.list(f"{signing.datasets_prefix}/")} == before


def noise(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 32, 32), dtype=np.uint8)


def measured(settings: Settings, storage: Storage, config: EvaluationConfig) -> Measurement:
    mine, _ = measure_side_by_side(noise, None, digits(), config, settings, storage, "cpu")
    measure_bounds(digits(), NetworksConfig(width=4, latent_dim=8), noise, config, settings, storage, "cpu")
    return mine


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The pipeline's own log records: under load, the store's client logs too."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("wgan")]


def unsigned(stored: bytes) -> bytes:
    return stored[: stored.rindex(LABEL)]


@pytest.mark.parametrize("config", [PROTOCOL, CLASSIFIED], ids=["pixels", "classifier"])
def test_cached_measurements_with_recomputed_digests_do_not_change_a_number(
    config: EvaluationConfig, signing: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    storage = open_storage(signing)
    honest = measured(signing, storage, config)
    keys = [entry.key for entry in storage.list(f"{signing.evaluation_prefix}/")]
    assert len(keys) == (3 if config is CLASSIFIED else 2)
    for key in keys:
        stored = storage.get_bytes(key)
        forged = _moved(unsigned(stored)) if key.endswith(".npz") else unsigned(stored)
        storage.put_bytes(key, forged + stored[stored.rindex(LABEL) :])
    with caplog.at_level(logging.WARNING):
        assert measured(signing, storage, config) == honest
    assert "the real images are measured again" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert measured(signing, storage, config) == honest
    assert told(caplog) == [], "the new measurement is signed"


def test_an_unsigned_cached_measurement_is_measured_again(signing: Settings, caplog: pytest.LogCaptureFixture) -> None:
    storage = open_storage(signing)
    keyless = signing.model_copy(update={"signing_key": None})
    honest = measured(keyless, storage, CLASSIFIED)
    with caplog.at_level(logging.WARNING):
        assert measured(signing, storage, CLASSIFIED) == honest
    for what in ("training the classifier again", "the real images are measured again", "real images and untrained"):
        assert what in caplog.text


def _moved(packed: bytes) -> bytes:
    """The same reference with all features ten further off, its digest right."""
    with np.load(io.BytesIO(packed)) as file:
        arrays = {name: file[name] for name in file.files if name != DIGEST}
    arrays["vectors"] = arrays["vectors"] + np.float32(10)
    file_out = io.BytesIO()
    np.savez(file_out, **arrays | {DIGEST: np.frombuffer(_digest(arrays), dtype=np.uint8)})
    return file_out.getvalue()
