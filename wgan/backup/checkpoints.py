"""Backs up checkpoints of active runs: `latest.json` never names one that is not in the backup."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from pydantic import ValidationError

from wgan import progress
from wgan.backup.archive import ArchiveWriter
from wgan.backup.earlier import EarlierBackup
from wgan.backup.manifest import SavedObject
from wgan.backup.objects import AT_ONCE, save_bytes, save_object
from wgan.errors import ObjectMissing, WganError
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.checkpoints import LatestCheckpoints

LATEST = "/latest.json"
STAGE = "checkpoints"
TRIES = 20
"""Attempts to copy a run's checkpoints before it replaces them; then it is an error."""


def save_checkpoints(
    settings: Settings, storage: Storage, archive: ArchiveWriter, earlier: EarlierBackup
) -> list[SavedObject]:
    """Copy every run's `latest.json` and the checkpoints it names, several runs concurrently."""
    keys = [key for key in earlier.list(storage, f"{settings.checkpoints_prefix}/") if key.endswith(LATEST)]
    saved: list[SavedObject] = []
    if not keys:
        return []
    progress.report(STAGE, 0, len(keys))
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="backup") as pool:
        for done, copied in enumerate(pool.map(lambda key: save_run(key, storage, archive, earlier), keys), start=1):
            saved += copied
            progress.report(STAGE, done, len(keys))
    return saved


def save_run(key: str, storage: Storage, archive: ArchiveWriter, earlier: EarlierBackup) -> list[SavedObject]:
    """Copy one run's `latest.json`, given by key, and the checkpoints it names; empty if it is gone.

    The run writes a new `latest.json` before it deletes a checkpoint. So if one is missing, either there is a newer
    `latest.json`, which is copied instead, or it was already missing, and the run itself will skip it.
    """
    copied: dict[str, SavedObject] = {}
    before: bytes | None = None
    for _ in range(TRIES):
        try:
            latest = storage.get_bytes(key)
        except ObjectMissing:
            return []
        whole = True
        for checkpoint in _named(latest):
            try:
                copied[checkpoint] = copied.get(checkpoint) or save_object(checkpoint, storage, archive, earlier)
            except ObjectMissing:
                whole = False
        if whole or latest == before:
            return [*copied.values(), save_bytes(key, latest, hashlib.sha256(latest).hexdigest(), archive)]
        before = latest
    raise WganError(f"the checkpoints of {storage.uri(key)} are replaced faster than they can be copied: try again.")


def _named(latest: bytes) -> list[str]:
    try:
        return [checkpoint.key for checkpoint in LatestCheckpoints.model_validate_json(latest).checkpoints]
    except ValidationError:  # already damaged: copied as is
        return []
