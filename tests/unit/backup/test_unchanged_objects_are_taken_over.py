"""A backup based on an earlier one reads only what has changed from the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from wgan.backup.archive import new_archive, open_archive
from wgan.backup.earlier import EarlierBackup
from wgan.backup.manifest import SavedObject
from wgan.backup.objects import save_objects
from wgan.storage import Storage, StoredObject

UNCHANGED, CHANGED, NEW = "datasets/a/images-00000.npy", "prefect/result", "promotions/m/00000001-a.json"


@dataclass
class Bucket:
    """Objects in memory whose content is their ETag; notes what is read."""

    objects: dict[str, bytes]
    read: list[str] = field(default_factory=list)

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        for key, content in sorted(self.objects.items()):
            yield StoredObject(key, len(content), datetime.now(UTC), content.decode())

    def get_file(self, key: str, path: Path, sha256: str | None = None) -> None:
        self.read.append(key)
        path.write_bytes(self.objects[key])


def save(bucket: Bucket, target: Path, earlier: EarlierBackup) -> list[SavedObject]:
    storage = cast(Storage, bucket)
    with new_archive(target) as archive:
        saved, _ = save_objects("objects", earlier.list(storage, ""), storage, archive, earlier)
    return saved


def content(path: Path, saved: list[SavedObject]) -> dict[str, bytes]:
    archive = open_archive(path)
    return {found.key: b"".join(archive.blocks(found.file)) for found in saved}


@pytest.mark.parametrize("first", ["first", "first.tar"])
@pytest.mark.parametrize("second", ["second", "second.tar"])
def test_only_new_and_changed_objects_are_read_and_all_are_there(tmp_path: Path, first: str, second: str) -> None:
    before = save(Bucket({UNCHANGED: b"one", CHANGED: b"two"}), tmp_path / first, EarlierBackup())
    bucket = Bucket({UNCHANGED: b"one", CHANGED: b"two, changed", NEW: b"three"})
    earlier = EarlierBackup(open_archive(tmp_path / first), "id", {found.key: found for found in before})
    saved = save(bucket, tmp_path / second, earlier)
    assert sorted(bucket.read) == [CHANGED, NEW]
    assert content(tmp_path / second, saved) == bucket.objects


def test_between_folders_an_unchanged_object_takes_no_more_room(tmp_path: Path) -> None:
    bucket = Bucket({UNCHANGED: b"one"})
    [before] = save(bucket, tmp_path / "first", EarlierBackup())
    earlier = EarlierBackup(open_archive(tmp_path / "first"), "id", {before.key: before})
    [saved] = save(bucket, tmp_path / "second", earlier)
    assert (tmp_path / "second" / saved.file).samefile(tmp_path / "first" / before.file)


def test_an_object_whose_file_the_earlier_backup_lacks_is_read_from_the_store(tmp_path: Path) -> None:
    bucket = Bucket({UNCHANGED: b"one"})
    [before] = save(bucket, tmp_path / "first", EarlierBackup())
    (tmp_path / "first" / before.file).unlink()
    earlier = EarlierBackup(open_archive(tmp_path / "first"), "id", {before.key: before})
    saved = save(bucket, tmp_path / "second", earlier)
    assert content(tmp_path / "second", saved) == bucket.objects


def test_an_object_without_a_noted_etag_is_read_from_the_store(tmp_path: Path) -> None:
    bucket = Bucket({UNCHANGED: b"one"})
    [before] = save(bucket, tmp_path / "first", EarlierBackup())
    unnoted = before.model_copy(update={"etag": None})
    save(bucket, tmp_path / "second", EarlierBackup(open_archive(tmp_path / "first"), "id", {before.key: unnoted}))
    assert bucket.read == [UNCHANGED, UNCHANGED]
