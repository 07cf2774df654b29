"""Restores a backup on an empty machine: verifies it, then restores the objects, and the databases last.

Nothing refers to the objects until the databases exist, so an interrupted restore cannot be taken for a complete one. A
marker in the bucket names the backup: a restore of the same backup resumes, another one is refused.
"""

from __future__ import annotations

import mimetypes
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime
from pathlib import Path

from pydantic import Field

from wgan import progress
from wgan.backup import postgres, sqlite
from wgan.backup.archive import Archive, open_archive
from wgan.backup.embedded_store import held_home, is_embedded, open_bucket
from wgan.backup.manifest import BackupManifest, SavedDatabase, SavedObject, layout_of, versions_here
from wgan.backup.objects import AT_ONCE
from wgan.backup.restore_lock import holds_restore_lock, lock_for_restore, unlock
from wgan.backup.verify import read_manifest, verify
from wgan.errors import UsageError, WganError
from wgan.records import Record
from wgan.settings import Settings
from wgan.stack import StackIsUp
from wgan.stack.databases import PostgresDatabase, SqliteFile, database_of
from wgan.stack.state import is_locked
from wgan.storage import Storage, open_storage

Target = SqliteFile | PostgresDatabase


class RestoreReport(Record):
    """What was restored, and where."""

    backup: str = Field(description="Id of the backup.")
    saved: datetime = Field(description="When the backup was begun.")
    home: Path
    bucket: str
    objects: int
    bytes: int
    databases: dict[str, str] = Field(description="mlflow, prefect: the file or the Postgres database.")
    notes: tuple[str, ...] = Field((), description="What to know before the servers are started.")


def restore(path: Path, settings: Settings) -> RestoreReport:
    """Restore a backup into the settings' empty databases and empty bucket.

    If they are embedded, the stack must be down; the S3 server runs during the restore. Raises `UsageError` if the
    target is not empty or not of the backup's kind, and `WganError` if the backup is damaged; in both cases nothing has
    been changed.
    """
    archive = open_archive(path)
    manifest = read_manifest(archive)
    _require_layout(manifest, settings)
    targets = [(saved, _target(saved, settings)) for saved in manifest.databases]
    if is_locked(settings.home.resolve()):
        raise StackIsUp(f"the stack in {settings.home.resolve()} is up: `wgan down` stops it, then restore.")
    for _, target in targets:
        _require_empty_database(target)
    if not is_embedded(settings):
        holds_restore_lock(open_storage(settings), manifest)
    verify(archive, manifest)
    try:
        with held_home(settings) as home, open_bucket(settings, home) as storage:
            lock_for_restore(storage, manifest)
            with tempfile.TemporaryDirectory(dir=home, prefix=".restore-") as scratch:
                _put_objects(archive, manifest, storage, Path(scratch))
                _put_databases(archive, targets, Path(scratch))
            unlock(storage)
    except OSError as error:
        raise WganError(f"the restore failed in {settings.home} ({error.strerror or error}): try it again.") from None
    return RestoreReport(
        backup=manifest.id,
        saved=manifest.started,
        home=home,
        bucket=storage.uri(""),
        objects=len(manifest.objects),
        bytes=manifest.bytes,
        databases={saved.name: _place(target) for saved, target in targets},
        notes=_notes(manifest),
    )


def _require_layout(manifest: BackupManifest, settings: Settings) -> None:
    here = layout_of(settings)
    for name, value in manifest.layout.items():
        if here.get(name) != value:
            raise UsageError(
                f"the backup was made with {name}={value}, which URLs in its databases contain, but here it is "
                f"{here.get(name)}: set {name}={value}."
            )


def _target(saved: SavedDatabase, settings: Settings) -> Target:
    target, variable = database_of(saved.name, settings), f"WGAN_{saved.name.upper()}_DATABASE_URL"
    if saved.kind == "sqlite" and isinstance(target, PostgresDatabase):
        raise UsageError(f"the backup's {saved.name} database is SQLite, not Postgres: unset {variable}.")
    if saved.kind == "postgresql" and isinstance(target, SqliteFile):
        raise UsageError(
            f"the backup's {saved.name} database is a Postgres database: set {variable} to an empty database there."
        )
    return target


def _require_empty_database(target: Target) -> None:
    if isinstance(target, PostgresDatabase):
        postgres.require_empty(target)
    elif target.path.exists():
        raise UsageError(
            f"{target.path} already exists: `wgan restore` needs an empty home; set WGAN_HOME to a new folder."
        )


def _put_objects(archive: Archive, manifest: BackupManifest, storage: Storage, scratch: Path) -> None:
    stage, total = "objects", len(manifest.objects)
    if not total:
        return
    progress.report(stage, 0, total)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="restore") as pool:
        puts = [pool.submit(_put_object, archive, saved, storage, scratch) for saved in manifest.objects]
        try:
            for done, put in enumerate(as_completed(puts), start=1):
                put.result()
                progress.report(stage, done, total)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _put_object(archive: Archive, saved: SavedObject, storage: Storage, scratch: Path) -> None:
    kind = mimetypes.guess_type(saved.key)[0] or "application/octet-stream"
    if archive.ranges is None:
        storage.put_file(saved.key, archive.path / saved.file, kind)
        return
    with tempfile.NamedTemporaryFile(dir=scratch) as file:
        archive.extract(saved.file, Path(file.name))
        storage.put_file(saved.key, Path(file.name), kind)


def _put_databases(archive: Archive, targets: list[tuple[SavedDatabase, Target]], scratch: Path) -> None:
    """All are prepared before the first is moved into place."""
    progress.report("databases", 0, len(targets))
    for saved, target in targets:
        archive.extract(saved.file, scratch / saved.name)
        if isinstance(target, SqliteFile) and saved.name == "prefect":
            sqlite.free_slots(scratch / saved.name)
    for done, (saved, target) in enumerate(targets, start=1):
        if isinstance(target, SqliteFile):
            (scratch / saved.name).rename(target.path)
        else:
            postgres.load(scratch / saved.name, target)
            if saved.name == "prefect":
                postgres.free_slots(target)
        progress.report("databases", done, len(targets))


def _place(target: Target) -> str:
    return str(target.path) if isinstance(target, SqliteFile) else target.place


def _notes(manifest: BackupManifest) -> tuple[str, ...]:
    here = versions_here()
    return tuple(
        f"The backup was made with {name} {version}; here is {here[name]}."
        for name, version in manifest.versions.items()
        if name in here and here[name] != version
    )
