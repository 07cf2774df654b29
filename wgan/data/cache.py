"""The local cache of prepared data sets: copies of S3 objects, verified by SHA-256, replaced atomically."""

from __future__ import annotations

import tempfile
from pathlib import Path

from wgan.data.manifest import DatasetDamaged, Manifest, StoredFile
from wgan.errors import DataError, ObjectMissing
from wgan.file_digest import file_sha256
from wgan.settings import Settings
from wgan.storage import Storage


def cache_folder(settings: Settings, name: str, digest: str) -> Path:
    """Folder of one data set's local copies."""
    return settings.cache / "datasets" / name / digest


def cached_path(folder: Path, entry: StoredFile) -> Path:
    """Local file of one object."""
    return folder / entry.key.rsplit("/", 1)[-1]


def is_intact(path: Path, sha256: str) -> bool:
    """Whether the file exists and holds exactly the bytes that were written."""
    return path.is_file() and file_sha256(path) == sha256


def fill_cache(manifest: Manifest, folder: Path, storage: Storage) -> None:
    """Ensure an intact local copy of every object of the manifest; only missing or damaged ones are fetched.

    Raises `DatasetDamaged` naming the object that is missing or damaged in S3, `DataError` if writing to disk fails.
    """
    try:
        for entry in manifest.objects:
            if not is_intact(cached_path(folder, entry), entry.sha256):
                fetch(entry, folder, storage)
    except OSError as error:
        raise DataError(f"the cache folder {folder} cannot be used: {error.strerror or error}.") from None


def fetch(entry: StoredFile, folder: Path, storage: Storage) -> None:
    """Fetch one object into the cache; it is renamed into place once its SHA-256 matches. Raises `DatasetDamaged`."""
    path, uri = cached_path(folder, entry), storage.uri(entry.key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".arriving-") as scratch:
            arrival = Path(scratch) / path.name
            storage.get_file(entry.key, arrival)
            if (found := file_sha256(arrival)) != entry.sha256:
                raise DatasetDamaged(
                    f"{uri} is damaged (SHA-256 {found[:12]}…, written as {entry.sha256[:12]}…): "
                    "`wgan data prepare` with its configuration repairs it."
                )
            arrival.replace(path)
    except ObjectMissing:
        raise DatasetDamaged(f"{uri} is missing: `wgan data prepare` with its configuration repairs it.") from None
