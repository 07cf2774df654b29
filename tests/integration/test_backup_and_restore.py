"""A backup of a busy stack, restored in an empty home: the same bytes, ledger and runs."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import idle_settings, new_settings
from tests.integration.command_line import json_of, quick
from tests.integration.serving_process import register
from tests.integration.stack_commands import run, start, wait_for
from tests.integration.test_retrain_command import known_runs, wait_for_step
from wgan import progress
from wgan.backup import BackupManifest, restore, save
from wgan.backup.marker import BACKUP_KEY, read_marker
from wgan.backup.restore_lock import RESTORE_KEY
from wgan.errors import UsageError, WganError
from wgan.file_digest import file_sha256
from wgan.records import LedgerEntry
from wgan.registry import ledger
from wgan.registry.promotion import promote, rollback
from wgan.settings import Settings, embedded_addresses
from wgan.stack import take_down
from wgan.stack.credentials import connected, ensure_credentials
from wgan.stack.processes import strays
from wgan.storage import Storage, open_storage
from wgan.tracking.client import tracking_client

pytestmark = pytest.mark.slow(minutes=4)
MODEL = "generator-saved"
SERVED = {"WGAN_SERVE_MODELS": MODEL}
STEPS = 120
GOING_ON = (
    f"training.generator_steps={STEPS}",
    "training.checkpoint_every_steps=10",
    "training.precision=float32",
)


@dataclass(frozen=True)
class Saved:
    """A stack, and two backups of it: a folder, made while a training ran and a version was promoted, and a file."""

    settings: Settings
    folder: Path
    manifest: BackupManifest
    tar: Path
    answer: dict[str, Any]
    images: bytes
    versions: Any
    flow_run: str
    finished: Any
    late_entry: LedgerEntry


@pytest.fixture(scope="module")
def saved(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saved]:
    place = tmp_path_factory.mktemp("backup")
    with idle_settings(stack, place / "home") as idle:
        run(idle, "up", "--detach", **SERVED)
        settings = connected(idle, ensure_credentials(idle.home))
        storage = open_storage(settings)
        for seed in (1, 2):
            register(settings, place, "saved", seed)
        promote_by_hand(settings, storage, 1, None)
        known = known_runs(settings, storage)
        training = start(settings, "retrain", *quick("going", *GOING_ON), "--no-promote", "--json")
        try:
            flow_run = wait_for_step(settings, storage, training, known)
            manifest, late = save_during_a_promotion(settings, storage, place / "folder")
            assert training.poll() is None, "the training ended before the backup did"
            yield Saved(
                settings=settings,
                folder=place / "folder",
                manifest=manifest,
                tar=place / "file.tar",
                answer=json_of(settings, "backup", str(place / "file.tar")),
                images=drawn_by(settings, "2"),
                versions=json_of(settings, "models", MODEL),
                flow_run=flow_run,
                finished=outcome_of(training),
                late_entry=late,
            )
        finally:
            if training.poll() is None:
                training.kill()
                training.communicate()


def promote_by_hand(settings: Settings, storage: Storage, version: int, champion: int | None) -> LedgerEntry:
    return promote(
        (MODEL, version), None, settings, storage, force=True, reason="for the backup", expected_champion=champion
    )


def save_during_a_promotion(settings: Settings, storage: Storage, folder: Path) -> tuple[BackupManifest, LedgerEntry]:
    """Make a backup, and promote version 2 just after the ledger was copied."""
    entries: list[LedgerEntry] = []

    def promote_after_the_ledger(position: progress.Progress) -> None:
        if position.stage == "ledger" and position.done == position.total and not entries:
            entries.append(promote_by_hand(settings, storage, 2, 1))

    with progress.listening(promote_after_the_ledger):
        manifest = save(folder, settings)
    return manifest, entries[0]


def drawn_by(settings: Settings, version: str) -> bytes:
    """Images of one seed, once the settings' serving process draws with the version."""
    url = f"http://127.0.0.1:{settings.serve_port}/v1/images"

    def answer() -> httpx.Response:
        return httpx.post(url, json={"count": 4, "seed": 7}, headers={"Accept": "application/x-npy"}, timeout=60)

    wait_for(lambda: answer().headers.get("X-WGAN-Version") == version)
    return answer().content


def outcome_of(training: subprocess.Popen[str]) -> Any:
    out, errors = training.communicate(timeout=600)
    assert training.returncode == 0, errors
    return json.loads(out)


@pytest.fixture(scope="module")
def restored(saved: Saved, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The folder, restored in an empty home on other ports, and started; the old stack is stopped."""
    take_down(saved.settings)
    empty = new_settings(tmp_path_factory.mktemp("other") / "home")
    run(empty, "restore", str(saved.folder))
    try:
        run(empty, "up", "--detach", **SERVED)
        yield connected(empty, ensure_credentials(empty.home))
    finally:
        take_down(empty)


def test_a_backup_reports_its_content_and_that_it_is_intact(saved: Saved) -> None:
    assert {database["kind"] for database in saved.answer["databases"]} == {"sqlite"}
    assert saved.answer["objects"] > 30
    checked = json_of(saved.settings, "backup", "--check", str(saved.tar))
    assert {name: checked[name] for name in ("id", "objects", "bytes")} == {
        name: saved.answer[name] for name in ("id", "objects", "bytes")
    }
    assert "is intact" in run(saved.settings, "backup", "--check", str(saved.folder)).stdout
    for path in (saved.folder, *saved.folder.rglob("*"), saved.tar):
        assert path.stat().st_mode & 0o077 == 0


def test_every_latest_checkpoint_in_a_backup_is_whole(saved: Saved) -> None:
    files = {found.key: found for found in saved.manifest.objects}
    latest = files[f"checkpoints/{saved.flow_run}/latest.json"]
    named = json.loads((saved.folder / latest.file).read_text())["checkpoints"]
    assert named
    assert {files[one["key"]].sha256 for one in named} == {one["sha256"] for one in named}


def test_nothing_is_overwritten_and_no_marker_is_left(saved: Saved) -> None:
    assert "already exists" in run(saved.settings, "backup", str(saved.folder), code=2).stderr
    assert "already exists" in run(saved.settings, "backup", str(saved.tar), code=2).stderr
    assert list(saved.folder.parent.glob(".*")) == []
    assert read_marker(open_storage(saved.settings)) is None


def test_a_damaged_backup_is_refused_before_anything_is_touched(saved: Saved, tmp_path: Path) -> None:
    empty = new_settings(tmp_path / "home")
    cut = tmp_path / "cut.tar"
    cut.write_bytes(saved.tar.read_bytes()[: saved.tar.stat().st_size // 2])
    run(empty, "restore", str(cut), code=2)
    run(empty, "restore", str(tmp_path / "nowhere"), code=2)
    flipped = tmp_path / "flipped.tar"
    with tarfile.open(saved.tar) as tar:
        victim = max((entry for entry in tar if entry.name.startswith("objects/")), key=lambda entry: entry.size)
    content = bytearray(saved.tar.read_bytes())
    content[victim.offset_data + victim.size // 2] ^= 1
    flipped.write_bytes(content)
    for command in (("restore", str(flipped)), ("backup", "--check", str(flipped))):
        result = run(empty, *command, code=1)
        assert f"{victim.name} is damaged" in result.stderr
        assert "Traceback" not in result.stderr
    assert not empty.home.exists()


def test_a_bucket_of_another_name_is_refused(saved: Saved, tmp_path: Path) -> None:
    empty = new_settings(tmp_path / "home")
    result = run(empty, "restore", str(saved.folder), code=2, WGAN_BUCKET="another")
    assert "set WGAN_BUCKET=wgan" in result.stderr
    assert not empty.home.exists()


def test_an_interrupted_restore_looks_empty_and_resumes(saved: Saved, tmp_path: Path) -> None:
    planned = new_settings(tmp_path / "home")
    empty = planned.model_copy(update=embedded_addresses(planned))

    def interrupt(position: progress.Progress) -> None:
        if position.stage == "objects" and position.done == 9:
            raise WganError("the power is gone.")

    with progress.listening(interrupt), pytest.raises(WganError, match="the power is gone"):
        restore(saved.folder, empty)
    assert not (empty.home / "mlflow.db").exists()
    assert not (empty.home / "prefect.db").exists()
    assert strays(empty.home) == []
    with pytest.raises(UsageError, match=r"another backup \("):
        restore(saved.tar, empty)
    report = restore(saved.folder, empty)
    assert report.objects == len(saved.manifest.objects)
    for database in saved.manifest.databases:
        assert report.databases[database.name] == str(empty.home / f"{database.name}.db")
        assert (empty.home / f"{database.name}.db").stat().st_mode & 0o077 == 0
    assert file_sha256(empty.home / "mlflow.db") == saved.manifest.databases[0].sha256
    assert list(empty.home.glob(".restore-*")) == []


def test_the_restored_stack_serves_the_same_bytes_for_the_same_seed(saved: Saved, restored: Settings) -> None:
    assert drawn_by(restored, "2") == saved.images


def test_the_versions_and_their_descriptions_are_the_same(saved: Saved, restored: Settings) -> None:
    assert json_of(restored, "models", MODEL) == saved.versions


def test_every_object_is_restored_and_credentials_are_new(saved: Saved, restored: Settings) -> None:
    storage = open_storage(restored)
    assert {entry.key: entry.size for entry in storage.list("")}.items() >= {
        found.key: found.bytes for found in saved.manifest.objects
    }.items()
    assert not storage.exists(BACKUP_KEY)
    assert not storage.exists(RESTORE_KEY)
    assert restored.s3_secret_access_key != saved.settings.s3_secret_access_key


def test_the_run_in_progress_resumes_and_ends_the_same_to_the_bit(saved: Saved, restored: Settings) -> None:
    resumed = json_of(restored, "retrain", "--resume", saved.flow_run)
    assert resumed["version"]["onnx_sha256"] == saved.finished["version"]["onnx_sha256"]
    run_id = resumed["version"]["evaluation"]["training"]["mlflow_run_id"]
    history = tracking_client(restored).get_metric_history(run_id, "wasserstein_estimate")
    assert sorted(metric.step for metric in history) == list(range(1, STEPS + 1))


def test_a_promotion_during_the_backup_is_recorded_at_the_next_operation(saved: Saved, restored: Settings) -> None:
    storage = open_storage(restored)
    assert [(entry.action, entry.to_version) for entry in ledger.read(MODEL, storage, restored)] == [("promoted", 1)]
    rollback(MODEL, None, restored, storage, reason="as a test")
    entries = ledger.read(MODEL, storage, restored)
    assert [(entry.action, entry.to_version) for entry in entries] == [
        ("promoted", 1),
        ("reconciled", 2),
        ("rolled-back", 1),
    ]
    assert entries[1].id == saved.late_entry.id
    assert saved.late_entry.reason in entries[1].reason


def test_a_home_that_is_not_empty_is_refused(saved: Saved, restored: Settings) -> None:
    assert "is up: `wgan down` stops it" in run(restored, "restore", str(saved.folder), code=1).stderr
    take_down(restored)
    assert "mlflow.db already exists" in run(restored, "restore", str(saved.folder), code=2).stderr
    for name in ("mlflow.db", "prefect.db"):
        (restored.home / name).unlink()
    assert "is not empty (it contains " in run(restored, "restore", str(saved.folder), code=2).stderr
