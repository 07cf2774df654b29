"""Copies objects of the bucket into a backup, several concurrently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from wgan import progress
from wgan.backup.archive import ArchiveWriter
from wgan.backup.earlier import EarlierBackup
from wgan.backup.manifest import SavedObject, object_file
from wgan.errors import ObjectMissing, WganError
from wgan.file_digest import file_sha256
from wgan.storage import Storage

AT_ONCE = 8


def save_object(key: str, storage: Storage, archive: ArchiveWriter, earlier: EarlierBackup) -> SavedObject:
    """Copy one object, from the earlier backup if that has it. Raises `ObjectMissing`."""
    if (taken := earlier.take(key, archive)) is not None:
        return taken
    file = archive.scratch()
    storage.get_file(key, file)
    saved = SavedObject(key=key, sha256=file_sha256(file), bytes=file.stat().st_size, etag=earlier.etags.get(key))
    archive.add(saved.file, file)
    return saved


def save_bytes(key: str, data: bytes, sha256: str, archive: ArchiveWriter) -> SavedObject:
    """Store the content of an object that was already read."""
    file = archive.scratch()
    file.touch(mode=0o600)
    file.write_bytes(data)
    archive.add(object_file(sha256), file)
    return SavedObject(key=key, sha256=sha256, bytes=len(data))


def save_objects(
    stage: str,
    keys: Sequence[str],
    storage: Storage,
    archive: ArchiveWriter,
    earlier: EarlierBackup,
    replaceable: str | None = None,
) -> tuple[list[SavedObject], list[str]]:
    """Copy the objects, `AT_ONCE` at a time, with progress; returns the copied ones, in key order, and vanished keys.

    Only keys under the prefix `replaceable` may vanish meanwhile; any other one raises `WganError`.
    """
    saved: list[SavedObject] = []
    vanished: list[str] = []
    if not keys:
        return [], []
    progress.report(stage, 0, len(keys))
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="backup") as pool:
        copies = {pool.submit(save_object, key, storage, archive, earlier): key for key in keys}
        try:
            for done, copied in enumerate(as_completed(copies), start=1):
                _collect(copied, copies[copied], storage, replaceable, saved, vanished)
                progress.report(stage, done, len(keys))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return sorted(saved, key=lambda found: found.key), sorted(vanished)


def _collect(
    copied: Future[SavedObject],
    key: str,
    storage: Storage,
    replaceable: str | None,
    saved: list[SavedObject],
    vanished: list[str],
) -> None:
    try:
        saved.append(copied.result())
    except ObjectMissing:
        if replaceable is None or not key.startswith(replaceable):
            raise WganError(
                f"{storage.uri(key)} was deleted during the backup, but the databases may need it: "
                "make the backup again while nothing is deleted."
            ) from None
        vanished.append(key)


def keys_to_save(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """The keys to copy, from two consecutive listings of a bucket that others are writing to.

    A listing comes in pages, and a data set may be completed between two of them: then it shows the manifest, which is
    written last, but not every shard. So a manifest counts only if the first listing also has it: everything it names
    existed when the second listing started.
    """
    known = set(first)
    return [key for key in second if key in known or not key.endswith("/manifest.json")]
