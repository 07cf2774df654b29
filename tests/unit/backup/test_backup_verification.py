"""Every byte of a backup is compared with the digest that was written."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wgan.backup.archive import Archive, new_archive, open_archive
from wgan.backup.manifest import MANIFEST_FILE, BackupManifest, SavedDatabase, SavedObject, layout_of, versions_here
from wgan.backup.verify import read_manifest, verify
from wgan.errors import UsageError, WganError
from wgan.settings import Settings

OBJECTS = {"datasets/a/images-00000.npy": b"pixels", "mlflow/1/model.onnx": b"weights"}
DATABASES = {"mlflow": b"runs", "prefect": b"flow runs"}


@pytest.fixture
def backup(tmp_path: Path) -> Archive:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    objects = [
        SavedObject(key=key, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        for key, content in OBJECTS.items()
    ]
    databases = [
        SavedDatabase(
            name=name,  # type: ignore[arg-type]
            kind="sqlite",
            file=f"databases/{name}.sqlite",
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
            time=moment,
        )
        for name, content in DATABASES.items()
    ]
    manifest = BackupManifest(
        id="0123456789ab",
        started=moment,
        finished=moment,
        versions=versions_here(),
        layout=layout_of(Settings()),
        databases=tuple(databases),
        objects=tuple(objects),
    )
    files = {
        **{saved.file: OBJECTS[saved.key] for saved in objects},
        **{saved.file: DATABASES[saved.name] for saved in databases},
        MANIFEST_FILE: manifest.model_dump_json().encode(),
    }
    with new_archive(tmp_path / "backup") as archive:
        for name, content in files.items():
            file = archive.scratch()
            file.write_bytes(content)
            archive.add(name, file)
    return open_archive(tmp_path / "backup")


def test_an_intact_backup_passes_and_reports_its_size(backup: Archive) -> None:
    manifest = read_manifest(backup)
    verify(backup, manifest)
    assert manifest.bytes == len(b"pixels" + b"weights" + b"runs" + b"flow runs")


def test_the_layout_names_bucket_and_every_prefix() -> None:
    assert layout_of(Settings(mlflow_prefix="elsewhere")) == {
        "WGAN_BUCKET": "wgan",
        "WGAN_CHECKPOINTS_PREFIX": "checkpoints",
        "WGAN_DATASETS_PREFIX": "datasets",
        "WGAN_EVALUATION_PREFIX": "evaluation",
        "WGAN_MLFLOW_PREFIX": "elsewhere",
        "WGAN_PREFECT_PREFIX": "prefect",
        "WGAN_PROMOTIONS_PREFIX": "promotions",
        "WGAN_RELEASES_PREFIX": "releases",
    }


@pytest.mark.parametrize("name", ["databases/mlflow.sqlite", "objects"])
def test_a_changed_byte_is_found(backup: Archive, name: str) -> None:
    file = backup.path / (read_manifest(backup).objects[0].file if name == "objects" else name)
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    with pytest.raises(WganError, match=f"{name}.* is damaged"):
        verify(backup, read_manifest(backup))


def test_missing_files_are_named_the_first_three_of_them(backup: Archive) -> None:
    manifest = read_manifest(backup)
    for saved in (*manifest.databases, *manifest.objects):
        (backup.path / saved.file).unlink()
    with pytest.raises(WganError, match=r"mlflow.sqlite is missing, .*prefect.sqlite is missing, .* 1 more fault"):
        verify(backup, manifest)


def test_without_an_intact_manifest_it_is_not_a_backup(backup: Archive) -> None:
    manifest = backup.path / MANIFEST_FILE
    manifest.write_text(manifest.read_text().replace('"format":1', '"format":2'))
    with pytest.raises(UsageError, match="format"):
        read_manifest(backup)
    manifest.unlink()
    with pytest.raises(UsageError, match=r"it has no manifest\.json"):
        read_manifest(backup)
