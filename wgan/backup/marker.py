"""An object in the bucket that marks a running backup: housekeeping deletes nothing while it is fresh."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from pydantic import Field, ValidationError

from wgan.errors import ObjectMissing, StorageError, WganError
from wgan.records import Record
from wgan.storage import Storage

OPERATIONS_PREFIX = "operations/"
"""Prefix of transient objects, which are not backed up."""
BACKUP_KEY = f"{OPERATIONS_PREFIX}backup-in-progress.json"
REFRESH_SECONDS = 60.0
DEAD_AFTER = timedelta(minutes=5)
"""Age from which a marker belongs to a killed backup."""


class BackupMarker(Record):
    """Content of the marker."""

    backup: str = Field(description="Id of the backup.")
    started: datetime
    time: datetime = Field(description="When the backup last refreshed the marker.")


@contextmanager
def backup_announced(backup: str, storage: Storage) -> Iterator[None]:
    """Keep the marker fresh during the block and remove it at the end, also after errors.

    Raises `WganError` if another backup of the bucket is running.
    """
    started = datetime.now(UTC)
    other = read_marker(storage)
    if other is not None and started - other.time < DEAD_AFTER:
        raise WganError(
            f"another backup of {storage.uri('')} has been running since {other.started:%H:%M:%S} UTC: wait until it "
            f"ends; if it was killed, try again in {DEAD_AFTER.seconds // 60} minutes."
        )

    def refresh() -> None:
        marker = BackupMarker(backup=backup, started=started, time=datetime.now(UTC))
        storage.put_bytes(BACKUP_KEY, marker.model_dump_json(indent=1).encode(), "application/json")

    ended = threading.Event()

    def refresh_until_ended() -> None:
        while not ended.wait(REFRESH_SECONDS):
            with suppress(StorageError):
                refresh()

    refresh()
    refreshing = threading.Thread(target=refresh_until_ended, name="backup marker", daemon=True)
    refreshing.start()
    try:
        yield
    finally:
        ended.set()
        refreshing.join()
        with suppress(StorageError):  # it would hide the block's error
            storage.delete(BACKUP_KEY)


def read_marker(storage: Storage) -> BackupMarker | None:
    """The marker of a backup; None if there is none or it is unreadable."""
    try:
        return BackupMarker.model_validate_json(storage.get_bytes(BACKUP_KEY))
    except (ObjectMissing, ValidationError):
        return None
