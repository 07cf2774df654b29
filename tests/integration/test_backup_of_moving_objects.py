"""Objects that change during a backup, in a real store: what is tolerated, and what is not."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wgan.backup.archive import Archive, new_archive, open_archive
from wgan.backup.checkpoints import save_run
from wgan.backup.earlier import EarlierBackup
from wgan.backup.manifest import SavedObject
from wgan.backup.marker import BACKUP_KEY, BackupMarker, backup_announced, read_marker
from wgan.backup.objects import save_objects
from wgan.errors import ObjectMissing, WganError
from wgan.settings import Settings
from wgan.storage import Storage, open_storage
from wgan.storage.checkpoints import LatestCheckpoints, StoredCheckpoint


@dataclass(frozen=True)
class Watched(Storage):
    """The bucket, where something happens just before an object is downloaded."""

    before_download: Callable[[str], None]

    def get_file(self, key: str, path: Path, sha256: str | None = None) -> None:
        self.before_download(key)
        super().get_file(key, path, sha256)


@pytest.fixture
def bucket(stack: Settings) -> Iterator[Storage]:
    """The test's own bucket in the session's store."""
    storage = open_storage(stack).at(f"moving-{uuid.uuid4().hex[:12]}")
    storage.ensure_bucket()
    yield storage
    for entry in list(storage.list("")):
        storage.delete(entry.key)
    storage.client.delete_bucket(Bucket=storage.bucket)


RUN = "checkpoints/run"


def put_step(storage: Storage, step: int) -> StoredCheckpoint:
    content = f"weights of step {step}".encode()
    key = f"{RUN}/step-{step:08d}.pt"
    storage.put_bytes(key, content)
    return StoredCheckpoint(step=step, key=key, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def put_latest(storage: Storage, *checkpoints: StoredCheckpoint) -> None:
    storage.put_bytes(f"{RUN}/latest.json", LatestCheckpoints(checkpoints=checkpoints).model_dump_json().encode())


def named(saved: list[SavedObject], archive: Archive) -> list[str]:
    """Keys that the saved `latest.json` names."""
    [latest] = [found for found in saved if found.key.endswith("latest.json")]
    return [one["key"] for one in json.loads(b"".join(archive.blocks(latest.file)))["checkpoints"]]


def test_when_a_checkpoint_is_replaced_the_newer_ones_are_saved(bucket: Storage, tmp_path: Path) -> None:
    one, two = put_step(bucket, 1), put_step(bucket, 2)
    put_latest(bucket, two, one)
    happened: list[str] = []

    def train_on(key: str) -> None:
        if key == one.key and not happened:
            happened.append(key)
            three = put_step(bucket, 3)
            put_latest(bucket, three, two)
            bucket.delete(one.key)

    with new_archive(tmp_path / "backup") as archive:
        saved = save_run(
            f"{RUN}/latest.json", Watched(bucket.client, bucket.bucket, train_on), archive, EarlierBackup()
        )
    assert happened
    written = open_archive(tmp_path / "backup")
    assert named(saved, written) == [f"{RUN}/step-00000003.pt", two.key]
    assert set(named(saved, written)) <= {found.key for found in saved}


def test_a_checkpoint_that_was_missing_before_does_not_stop_a_backup(bucket: Storage, tmp_path: Path) -> None:
    one, two = put_step(bucket, 1), put_step(bucket, 2)
    put_latest(bucket, two, one)
    bucket.delete(two.key)
    with new_archive(tmp_path / "backup") as archive:
        saved = save_run(f"{RUN}/latest.json", bucket, archive, EarlierBackup())
    assert {found.key for found in saved} == {one.key, f"{RUN}/latest.json"}


def test_a_run_that_replaces_checkpoints_too_fast_is_an_error(bucket: Storage, tmp_path: Path) -> None:
    put_latest(bucket, put_step(bucket, 1))

    def run_ahead(key: str) -> None:
        step = int(key.removesuffix(".pt").rsplit("-", 1)[1])
        put_latest(bucket, put_step(bucket, step + 1))
        bucket.delete(key)

    watched = Watched(bucket.client, bucket.bucket, run_ahead)
    with (
        pytest.raises(WganError, match="are replaced faster than they can be copied"),
        new_archive(tmp_path / "backup") as archive,
    ):
        save_run(f"{RUN}/latest.json", watched, archive, EarlierBackup())


def test_only_checkpoints_may_be_deleted_during_a_backup(bucket: Storage, tmp_path: Path) -> None:
    keys = [put_step(bucket, step).key for step in range(20)]
    for key in keys[5:8]:
        bucket.delete(key)
    with new_archive(tmp_path / "backup") as archive:
        saved, vanished = save_objects("objects", keys, bucket, archive, EarlierBackup(), "checkpoints/")
        with pytest.raises(WganError, match=r"step-0000000[567]\.pt was deleted during the backup"):
            save_objects("objects", keys, bucket, archive, EarlierBackup())
    assert [found.key for found in saved] == keys[:5] + keys[8:]
    assert vanished == keys[5:8]


def test_a_marker_exists_while_a_backup_runs_and_is_removed_after_it_failed(bucket: Storage) -> None:
    def fail() -> None:
        with backup_announced("first", bucket):
            marker = read_marker(bucket)
            assert marker is not None
            assert marker.backup == "first"
            with pytest.raises(WganError, match="another backup"), backup_announced("second", bucket):
                pytest.fail("the block must not begin")
            raise ObjectMissing("what it wanted is not there.")

    with pytest.raises(ObjectMissing):
        fail()
    assert not bucket.exists(BACKUP_KEY)


def test_the_marker_of_a_killed_backup_does_not_stop_the_next(bucket: Storage) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=6)
    killed = BackupMarker(backup="killed", started=long_ago, time=long_ago)
    bucket.put_bytes(BACKUP_KEY, killed.model_dump_json().encode())
    with backup_announced("next", bucket):
        marker = read_marker(bucket)
        assert marker is not None
        assert marker.backup == "next"
    assert not bucket.exists(BACKUP_KEY)
