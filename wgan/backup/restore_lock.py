"""An object in the bucket that names the backup being restored: only that restore may resume."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from pydantic import Field, ValidationError

from wgan.backup.manifest import BackupManifest
from wgan.backup.marker import OPERATIONS_PREFIX
from wgan.errors import ObjectMissing, UsageError
from wgan.records import Record
from wgan.storage import Storage

RESTORE_KEY = f"{OPERATIONS_PREFIX}restore-in-progress.json"


class RestoreMarker(Record):
    """Marks the bucket as being restored."""

    backup: str = Field(description="Id of the backup.")
    time: datetime


def holds_restore_lock(storage: Storage, manifest: BackupManifest) -> bool:
    """Whether the bucket holds an interrupted restore of this backup; raises `UsageError` if it holds anything else."""
    first: str | None = None
    with suppress(ObjectMissing):  # no bucket: it will be created
        first = next((entry.key for entry in storage.list("") if not entry.key.startswith(OPERATIONS_PREFIX)), None)
    try:
        marker = RestoreMarker.model_validate_json(storage.get_bytes(RESTORE_KEY))
    except (ObjectMissing, ValidationError):
        marker = None
    if marker is not None and marker.backup == manifest.id:
        return True
    if marker is not None:
        raise UsageError(
            f"another backup ({marker.backup}) is partly restored into {storage.uri('')}: resume that restore, or "
            "empty the bucket."
        )
    if first is not None:
        raise UsageError(
            f"{storage.uri('')} is not empty (it contains {first}): `wgan restore` needs an empty bucket; set "
            "WGAN_HOME to a new folder, or WGAN_S3_ENDPOINT_URL to another store."
        )
    return False


def lock_for_restore(storage: Storage, manifest: BackupManifest) -> None:
    """Lock the empty bucket for a restore of the backup, or resume one. Raises as `holds_restore_lock` does."""
    if not holds_restore_lock(storage, manifest):
        marker = RestoreMarker(backup=manifest.id, time=datetime.now(UTC))
        storage.put_bytes(RESTORE_KEY, marker.model_dump_json(indent=1).encode(), "application/json")


def unlock(storage: Storage) -> None:
    """Remove the marker: the restore is complete."""
    storage.delete(RESTORE_KEY)
