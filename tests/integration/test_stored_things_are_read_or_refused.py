"""Stored data in the bucket, the registry or a backup is read or refused in one sentence, without a traceback.

Checkpoints and their lists, archives, images and task results have tests of their own.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.refusals import read_or_refused
from tests.unit.registry.examples import example_config, example_evaluation
from tests.unit.registry.registry_in_memory import MODEL, Process, Servers
from wgan.arrays import NotAnArray, load_array
from wgan.backup.archive import open_archive
from wgan.backup.manifest import MANIFEST_FILE
from wgan.backup.verify import read_manifest, verify
from wgan.data.dataset import open_dataset
from wgan.data.manifest import Manifest, find_own_manifest, list_datasets, reference
from wgan.evaluation.reference import Reference
from wgan.evaluation.reference_cache import ARRAYS, DIGEST, DamagedReference, _digest, pack_reference, unpack_reference
from wgan.model_version.record import VersionRecord
from wgan.records import EvaluationProtocol, ExportCheck, LedgerEntry
from wgan.registry import ledger
from wgan.registry.intent import INTENT_TAG, OUTCOME_TAG, read_intent
from wgan.registry.lineage import METRICS_TAG
from wgan.registry.listing import GATE_TIME_TAG, _version_entry
from wgan.settings import Settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
FUZZED = settings(max_examples=100, deadline=None)
TIMES = st.sampled_from(
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-01-01T00:00:00", "9" * 5000, "-1e308", "NaN", ""]
)
DEEP = b"[" * 100_000


@st.composite
def altered(draw: st.DrawFn, document: dict[str, Any]) -> bytes:
    """The document with another value somewhere in it, or with other bytes."""
    copy = json.loads(json.dumps(document))
    inside: Any = copy
    while True:
        key = draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside))))
        if not (isinstance(inside[key], dict | list) and inside[key] and draw(st.booleans())):
            break
        inside = inside[key]
    inside[key] = draw(JSON | TIMES)
    text = bytearray(json.dumps(copy).encode())
    if draw(st.booleans()):
        text[draw(st.integers(0, len(text) - 1))] = draw(st.integers(0, 255))
    return bytes(text)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


# Data sets

NAME, DATA = "fuzzed", "ab" * 32
PREFIX = f"datasets/{NAME}/{DATA}/"
SHARD, LABELS = npy(np.zeros((20, 1, 8, 8), np.uint8)), npy(np.zeros(20, np.int64))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest_of(shard: bytes = SHARD, labels: bytes = LABELS) -> dict[str, Any]:
    return {
        "format_version": 3,
        "name": NAME,
        "digest": DATA,
        "source": "digits",
        "location": None,
        "source_digest": "c" * 64,
        "decoder": "none",
        "image_size": 8,
        "channels": 1,
        "count": 20,
        "classes": ["zero"],
        "shards": [{"key": f"{PREFIX}images-00000.npy", "sha256": sha256(shard), "count": 20}],
        "labels": {"key": f"{PREFIX}labels.npy", "sha256": sha256(labels)},
        "held_out": None,
        "bad_files": [],
    }


class Bucket(Process):
    """Objects that can be fetched to a file, too."""

    def at(self, bucket: str) -> Bucket:
        return self

    def get_file(self, key: str, path: Path) -> None:
        path.write_bytes(self.get_bytes(key))


def bucket_of(manifest: bytes, shard: bytes = SHARD, labels: bytes = LABELS) -> Any:
    objects = {f"{PREFIX}manifest.json": manifest}
    return Bucket(Servers(objects=objects | {f"{PREFIX}images-00000.npy": shard, f"{PREFIX}labels.npy": labels}))


def opened_count(manifest: bytes, shard: bytes = SHARD, labels: bytes = LABELS) -> int | None:
    with tempfile.TemporaryDirectory() as cache_dir:
        own = Settings(cache_dir=Path(cache_dir))
        storage = bucket_of(manifest, shard, labels)
        list_datasets(storage, own)
        found = find_own_manifest(own, storage, PREFIX)
        return open_dataset(found[1], own, storage).count if found else None


def test_the_example_is_a_data_set() -> None:
    assert opened_count(json.dumps(manifest_of()).encode()) == 20


@given(altered(manifest_of()) | st.binary(max_size=40) | st.just(DEEP))
@FUZZED
def test_manifests(content: bytes) -> None:
    with read_or_refused():
        opened_count(content)


@st.composite
def arrays(draw: st.DrawFn, whole: bytes) -> bytes:
    """An array file with another header, or cut, or with other bytes."""
    header = draw(
        st.sampled_from(
            [
                "{'descr': '|O', 'fortran_order': False, 'shape': (20,)}",
                "{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999999999999,)}",
                "{'descr': '<i8', 'fortran_order': False, 'shape': (-1,)}",
                "{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (20,)}",
                "{'descr': '<i8', 'fortran_order': False, 'shape': 20}",
                "__import__('os').system('exit 1')",
                "(" * 4000,
                "",
            ]
        )
    ).encode()
    forged = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(160)
    content = bytearray(draw(st.sampled_from([whole, forged])))
    for place in draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)) | st.just(len(content)))])


@given(arrays(SHARD), arrays(LABELS))
@FUZZED
def test_shards_and_labels(shard: bytes, labels: bytes) -> None:
    with read_or_refused():
        opened_count(json.dumps(manifest_of(shard)).encode(), shard)
    with read_or_refused():
        opened_count(json.dumps(manifest_of(labels=labels)).encode(), labels=labels)


def test_an_archive_of_arrays_is_not_an_array() -> None:
    file = io.BytesIO()
    np.savez(file, a=np.zeros(1))
    for content in (file.getvalue(), b"PK\x03\x04", b"\x80\x04K\x01.", b""):
        with pytest.raises(NotAnArray):
            load_array(io.BytesIO(content))


# References

PROTOCOL = EvaluationProtocol(
    extractor="pixels",
    extractor_digest="",
    data_digest="d" * 64,
    sample_count=3,
    seeds=(1, 2),
    neighbours=1,
    training_images=2,
    confidence=0.95,
)


@cache
def reference_of() -> Reference:
    return Reference(
        seeds=PROTOCOL.seeds,
        indices=np.arange(4),
        vectors=np.zeros((4, 5), np.float32),
        rows=np.array([[0, 1, 2], [1, 2, 3]]),
        training_rows=np.array([0, 3]),
        squared_radii=np.zeros((2, 3)),
        kernel_means=np.zeros(2),
        projections=(np.zeros((2, 7, 3), np.float32),),
        held_out_distances=np.zeros((2, 0)),
    )


def packed(arrays: dict[str, np.ndarray], pack: Any = np.savez) -> bytes:
    file = io.BytesIO()
    pack(file, **arrays, **{DIGEST: np.frombuffer(_digest(arrays), np.uint8)})
    return file.getvalue()


def test_a_reference_is_read_back_intact() -> None:
    found = unpack_reference(pack_reference(reference_of()), PROTOCOL)
    for field in fields(Reference):
        assert np.array_equal(getattr(found, field.name), getattr(reference_of(), field.name)), field.name


ODD_ARRAYS = st.sampled_from(
    [np.zeros(0), np.zeros((2, 3)), np.full((2, 3), 9), np.full((2, 3), -1), np.zeros((4, 4, 4)), np.array("text")]
)


@given(st.dictionaries(st.sampled_from([*ARRAYS, "projections-0"]), ODD_ARRAYS, max_size=2))
@FUZZED
def test_references_with_a_right_digest_serve_every_seed_or_are_measured_again(others: dict[str, np.ndarray]) -> None:
    whole = {name: getattr(reference_of(), name) for name in ARRAYS} | {"projections-0": reference_of().projections[0]}
    try:
        found = unpack_reference(packed(whole | others), PROTOCOL)
    except DamagedReference:
        return
    for seed in PROTOCOL.seeds:
        assert found.at(seed).vectors.shape == (3, 5) or "vectors" in others


@given(st.data())
@FUZZED
def test_references_with_other_bytes(data: st.DataObject) -> None:
    content = bytearray(pack_reference(reference_of()))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        unpack_reference(bytes(content[: data.draw(st.integers(0, len(content)))]), PROTOCOL)
    except DamagedReference as damage:
        assert str(damage)  # noqa: PT017


def test_a_packed_reference_is_not_unpacked() -> None:
    whole = {name: getattr(reference_of(), name) for name in ARRAYS}
    huge = packed(whole | {"projections-0": np.zeros((2, 10**5, 3))}, np.savez_compressed)
    with pytest.raises(DamagedReference, match="it is packed"):
        unpack_reference(huge, PROTOCOL)


# The ledger and the registry


def entry_of(number: int | None = 1) -> LedgerEntry:
    return LedgerEntry(
        id="0123456789ab",
        number=number,
        model_name=MODEL,
        action="promoted",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        from_version=None,
        to_version=1,
        reason="why",
    )


ENTRY = entry_of().model_dump(mode="json")
NAMES = st.sampled_from(
    ["00000001-0123456789ab", "99999999999999-0123456789ab", "20260101T000000.000000Z-0123456789ab", "\x1b[2J", "a/b"]
)


@given(altered(ENTRY) | st.binary(max_size=40) | st.just(DEEP), NAMES)
@FUZZED
def test_ledger_entries_are_read_or_skipped(content: bytes, name: str) -> None:
    servers = Servers(objects={f"promotions/{MODEL}/{name}.json": content})
    found = ledger.read_ledger(MODEL, Process(servers).storage, Settings())
    assert len(found.found) + len(found.damaged) == 1
    assert found.next_number >= 1
    for entry in ledger.read(MODEL, Process(servers).storage, Settings()):
        assert f"{entry.time.astimezone():%Y-%m-%d %H:%M}"
    assert ledger.next_time(found.entries).tzinfo is not None


@given(altered(ENTRY), st.text(max_size=20))
@FUZZED
def test_intents_are_read_or_ignored(content: bytes, outcome: str) -> None:
    read_intent({INTENT_TAG: content.decode("latin-1"), OUTCOME_TAG: outcome})


@given(
    st.dictionaries(
        st.sampled_from([METRICS_TAG, GATE_TIME_TAG, "wasserstein_estimate", "gate", "gate.reason"]),
        st.text(max_size=9)
        | TIMES
        | JSON.map(json.dumps)
        | st.sampled_from(['{"fid": [1,2,3]}', '{"\\u001b[2J": [1e999,2,3]}', "[[" * 5000]),
    )
)
@FUZZED
def test_tags_of_versions_are_read_or_ignored(tags: dict[str, str]) -> None:
    version = SimpleNamespace(name=MODEL, version=1, creation_timestamp=0, tags=tags, run_id="")
    entry = _version_entry(version, {})
    assert entry.gate_time is None or f"{entry.gate_time.astimezone():%Y}"
    json.dumps(entry.model_dump(mode="json"), allow_nan=False)


RECORD = VersionRecord(
    evaluation=example_evaluation(example_config()),
    model_name=MODEL,
    onnx_sha256="a" * 64,
    export_check=ExportCheck(samples=64, max_abs_difference=0.0, tolerance=1e-3, opset=18),
).model_dump(mode="json")


@given(altered(RECORD) | st.binary(max_size=40) | st.just(DEEP))
@FUZZED
def test_records_of_versions(content: bytes) -> None:
    from wgan.registry.versions import read_version

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "record.json").write_bytes(content)
        with pytest.MonkeyPatch.context() as patched, read_or_refused():
            patched.setattr("wgan.registry.versions._download", lambda *_: Path(folder) / "record.json")
            read_version(None, MODEL, 1, Settings())  # type: ignore[arg-type]


# Exports and backups


@given(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=20) | st.just(DEEP))
@FUZZED
def test_configurations_of_exports(content: bytes) -> None:
    from wgan.steps.export import load_exported_generator

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_bytes(content)
        (Path(folder) / "generator.safetensors").write_bytes(bytes(8))
        with read_or_refused():
            load_exported_generator(Path(folder))


def test_a_forged_width_of_an_export_allocates_nothing(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from wgan.errors import WganError
    from wgan.steps.export import load_exported_generator

    values = {"width": 512, "latent_dim": 4096, "channels": 3, "image_size": 256}
    (tmp_path / "config.json").write_text(json.dumps(values))
    save_file({"layers.0.weight": torch.zeros(1)}, tmp_path / "generator.safetensors")
    with pytest.raises(WganError, match="its weights are not those of width 512"):
        load_exported_generator(tmp_path)


BACKUP = {
    "id": "0123456789ab",
    "started": "2026-01-01T00:00:00Z",
    "finished": "2026-01-01T00:00:00Z",
    "versions": {},
    "layout": {},
    "databases": [
        {
            "name": "mlflow",
            "kind": "sqlite",
            "file": "databases/mlflow.sqlite",
            "sha256": "a" * 64,
            "bytes": 1,
            "time": "2026-01-01T00:00:00Z",
        }
    ],
    "objects": [{"key": "a", "sha256": "b" * 64, "bytes": 1}],
}


@given(altered(BACKUP) | st.binary(max_size=40) | st.just(DEEP))
@FUZZED
def test_manifests_of_backups(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / MANIFEST_FILE).write_bytes(content)
        with read_or_refused():
            archive = open_archive(Path(folder))
            verify(archive, read_manifest(archive))


@pytest.mark.parametrize("file", ["../../etc/passwd", "databases/../../x.sqlite", "/etc/passwd"])
def test_a_backup_names_no_file_outside_itself(tmp_path: Path, file: str) -> None:
    from wgan.errors import UsageError

    forged = BACKUP | {"databases": [BACKUP["databases"][0] | {"file": file}]}  # type: ignore[index,operator]
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(forged))
    with pytest.raises(UsageError, match=r"databases\.0\.file"):
        read_manifest(open_archive(tmp_path))


def test_the_examples_are_valid() -> None:
    content = json.dumps(manifest_of()).encode()
    assert reference(Manifest.model_validate_json(content), f"s3://memory/{PREFIX}manifest.json", content).count == 20
    assert zipfile.is_zipfile(io.BytesIO(pack_reference(reference_of())))
