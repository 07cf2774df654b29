"""Checkpoints in a real S3 server: intact, newest first; a damaged one is skipped and named."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from wgan.errors import StorageError
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.checkpoints import CheckpointUploads, checkpoint_prefix, fetch_newest, latest_checkpoints


@pytest.fixture
def run_id(request: pytest.FixtureRequest) -> str:
    return f"run-{request.node.name}"[:60]


def upload(run_id: str, steps: list[int], folder: Path, settings: Settings, storage: Storage, keep: int = 2) -> None:
    folder.mkdir(exist_ok=True)
    with CheckpointUploads(run_id, keep, settings, storage) as uploads:
        for step in steps:
            path = folder / f"step-{step}.pt"
            path.write_bytes(f"weights of step {step}".encode() * 1000)
            uploads.submit(step, path)
            path.unlink()  # the loop prunes its own files while uploads continue


def test_the_newest_checkpoint_is_found_again(stack: Settings, storage: Storage, tmp_path: Path, run_id: str) -> None:
    upload(run_id, [100, 200, 300], tmp_path / "out", stack, storage)
    found = fetch_newest(run_id, stack, storage, tmp_path)
    assert found is not None
    assert found.step == 300
    assert (tmp_path / "step-00000300.pt").read_bytes().startswith(b"weights of step 300")


def test_only_the_newest_are_kept(stack: Settings, storage: Storage, tmp_path: Path, run_id: str) -> None:
    upload(run_id, [100, 200, 300], tmp_path / "out", stack, storage, keep=2)
    names = [Path(entry.key).name for entry in storage.list(checkpoint_prefix(run_id, stack))]
    assert names == ["latest.json", "step-00000200.pt", "step-00000300.pt"]


def test_a_flow_run_without_checkpoints_has_none(stack: Settings, storage: Storage, tmp_path: Path) -> None:
    assert fetch_newest("never-started", stack, storage, tmp_path) is None


def test_a_damaged_checkpoint_is_skipped_with_a_warning(
    stack: Settings, storage: Storage, tmp_path: Path, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    upload(run_id, [100, 200], tmp_path / "out", stack, storage)
    storage.put_bytes(latest_checkpoints(run_id, stack, storage)[0].key, b"half a file")
    with caplog.at_level(logging.WARNING):
        found = fetch_newest(run_id, stack, storage, tmp_path)
    assert found is not None
    assert found.step == 100
    assert "step 200 is damaged, the one before is used" in caplog.text


def test_when_no_checkpoint_is_intact_the_run_does_not_silently_start_over(
    stack: Settings, storage: Storage, tmp_path: Path, run_id: str
) -> None:
    upload(run_id, [100], tmp_path / "out", stack, storage)
    storage.delete(latest_checkpoints(run_id, stack, storage)[0].key)
    with pytest.raises(StorageError, match=r"none of the 1 checkpoints .* is intact"):
        fetch_newest(run_id, stack, storage, tmp_path)


def test_uploads_of_a_resumed_run_replace_checkpoints_of_later_steps(
    stack: Settings, storage: Storage, tmp_path: Path, run_id: str
) -> None:
    upload(run_id, [100, 200], tmp_path / "out", stack, storage)
    upload(run_id, [150], tmp_path / "out", stack, storage)
    assert [checkpoint.step for checkpoint in latest_checkpoints(run_id, stack, storage)] == [150, 100]
