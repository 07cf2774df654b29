"""Which prepared data sets there are."""

from __future__ import annotations

from wgan.data.manifest import MANIFEST_NAME, find_manifest
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.storage import Storage


def list_datasets(storage: Storage, settings: Settings) -> list[DatasetRef]:
    """All prepared data sets of the bucket, by name and digest. Raises `DatasetDamaged` naming a damaged manifest."""
    prefix = f"{settings.datasets_prefix}/"
    manifests = [entry.key for entry in storage.list(prefix) if entry.key.endswith(f"/{MANIFEST_NAME}")]
    found = [find_manifest(storage, key.removesuffix(MANIFEST_NAME)) for key in manifests]
    return sorted((entry[1] for entry in found if entry), key=lambda ref: (ref.name, ref.digest))
