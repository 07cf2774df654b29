"""Backs up the running system, in an order that keeps the parts consistent.

A crash can leave one store ahead of another, and every step of the pipeline can be repeated after a crash. The parts of
a backup may therefore be of different moments, in any order that a crash could leave:

1. the ledger: if aliases are ahead of it, `wgan.registry.reconciliation` adds the missing entry at the next operation;
2. Prefect's database, and then the task results, which are written before Prefect counts a task as completed;
3. the checkpoints that `latest.json` names, whose metrics are in MLflow before it names them;
4. MLflow's database: everything that a task result or a checkpoint counts as done is in it;
5. all other objects, which are written before MLflow refers to them, and are never changed.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from wgan import progress
from wgan.backup import postgres, sqlite
from wgan.backup.archive import ArchiveWriter, new_archive
from wgan.backup.checkpoints import LATEST, save_checkpoints
from wgan.backup.earlier import EarlierBackup
from wgan.backup.manifest import MANIFEST_FILE, BackupManifest, SavedDatabase, SavedObject, layout_of, versions_here
from wgan.backup.marker import OPERATIONS_PREFIX, backup_announced
from wgan.backup.objects import keys_to_save, save_objects
from wgan.errors import UsageError
from wgan.file_digest import file_sha256
from wgan.settings import Settings
from wgan.stack import overruling
from wgan.stack.databases import DATABASES, DatabaseName, PostgresDatabase, SqliteFile, database_of
from wgan.storage import Storage, open_storage

SERVERS: dict[DatabaseName, str] = {"mlflow": "WGAN_MLFLOW_TRACKING_URI", "prefect": "WGAN_PREFECT_API_URL"}


def save(destination: Path, settings: Settings, base: Path | None = None) -> BackupManifest:
    """Write a backup to a new folder or `.tar` file; returns what is in it.

    Objects that have not changed since the backup `base` are taken from it. Raises `UsageError` if the destination
    already exists, `base` is no backup or a database is unknown, `WganError` if the bucket, a database or the disk
    cannot be used; nothing is left at the destination then.
    """
    earlier = EarlierBackup.at(base)
    databases = {name: _database(name, settings) for name in DATABASES}
    storage, backup, started = open_storage(settings), uuid.uuid4().hex[:12], datetime.now(UTC)
    with new_archive(destination) as archive, backup_announced(backup, storage):
        ledger = _save_prefix("ledger", settings.promotions_prefix, storage, archive, earlier)
        prefect = _save_database("prefect", databases["prefect"], archive)
        results = _save_prefix("task results", settings.prefect_prefix, storage, archive, earlier)
        checkpoints = save_checkpoints(settings, storage, archive, earlier)
        mlflow = _save_database("mlflow", databases["mlflow"], archive)
        early = [*ledger, *results, *checkpoints]
        rest = _other_keys(storage, early, settings, earlier)
        others, replaced = save_objects("objects", rest, storage, archive, earlier, f"{settings.checkpoints_prefix}/")
        objects = sorted([*early, *others], key=lambda saved: saved.key)
        manifest = BackupManifest(
            id=backup,
            started=started,
            finished=datetime.now(UTC),
            versions=versions_here(),
            layout=layout_of(settings),
            databases=(mlflow, prefect),
            objects=tuple(objects),
            base=earlier.id,
            taken_over=sum(saved is earlier.saved.get(saved.key) for saved in objects),
            replaced=tuple(replaced),
        )
        file = archive.scratch()
        file.write_text(manifest.model_dump_json(indent=1))
        archive.add(MANIFEST_FILE, file)
    return manifest


def _database(name: DatabaseName, settings: Settings) -> SqliteFile | PostgresDatabase:
    database = database_of(name, settings)
    if isinstance(database, PostgresDatabase):
        return database
    if SERVERS[name] in dict(overruling(settings)):
        raise UsageError(
            f"{SERVERS[name]} names a server other than the one of {settings.home}, so its database is not known: set "
            f"WGAN_{name.upper()}_DATABASE_URL."
        )
    if not database.path.is_file():
        raise UsageError(
            f"there is no database {database.path}: start the stack with `wgan up`, set WGAN_HOME to the folder that "
            f"has it, or WGAN_{name.upper()}_DATABASE_URL."
        )
    return database


def _save_database(
    name: DatabaseName, database: SqliteFile | PostgresDatabase, archive: ArchiveWriter
) -> SavedDatabase:
    stage = f"{name}'s database"
    progress.report(stage, 0, 1)
    file, time = archive.scratch(), datetime.now(UTC)
    if isinstance(database, PostgresDatabase):
        postgres.dump(database, file)
    else:
        sqlite.snapshot(database.path, file)
    kind = "postgresql" if isinstance(database, PostgresDatabase) else "sqlite"
    saved = SavedDatabase(
        name=name,
        kind=kind,
        file=f"databases/{name}.{'pgdump' if kind == 'postgresql' else 'sqlite'}",
        sha256=file_sha256(file),
        bytes=file.stat().st_size,
        time=time,
    )
    archive.add(saved.file, file)
    progress.report(stage, 1, 1)
    return saved


def _save_prefix(
    stage: str, prefix: str, storage: Storage, archive: ArchiveWriter, earlier: EarlierBackup
) -> list[SavedObject]:
    saved, _ = save_objects(stage, earlier.list(storage, f"{prefix}/"), storage, archive, earlier)
    return saved


def _other_keys(storage: Storage, saved: list[SavedObject], settings: Settings, earlier: EarlierBackup) -> list[str]:
    """The remaining keys of the bucket, except those in parts saved earlier."""
    early = (f"{settings.promotions_prefix}/", f"{settings.prefect_prefix}/", OPERATIONS_PREFIX)
    checkpoints, have = f"{settings.checkpoints_prefix}/", {found.key for found in saved}
    return [
        key
        for key in keys_to_save(earlier.list(storage, ""), earlier.list(storage, ""))
        if key not in have and not key.startswith(early) and not (key.startswith(checkpoints) and key.endswith(LATEST))
    ]
