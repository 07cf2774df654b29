"""The whole pipeline with SeaweedFS in place of the embedded store: a retraining, its report, a backup."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_ports, idle_settings
from tests.integration.command_line import json_of, quick
from tests.integration.seaweedfs_server import weed_command
from tests.integration.stack_commands import environment, run, wait_for
from tests.integration.worker_process import ask
from wgan.settings import Settings
from wgan.stack import servers, start_stack, stop_stack
from wgan.stack.credentials import Credentials
from wgan.storage import Storage, open_storage, split_uri

pytestmark = pytest.mark.slow(minutes=4)

TOKEN = secrets.token_hex(16)
LISTEN_PORT = free_ports(1)[0]
NOTIFICATIONS = f"""
[notification.webhook]
enabled = true
endpoint = "http://127.0.0.1:{LISTEN_PORT}/notifications"
bearer_token = "{TOKEN}"
"""


@pytest.fixture(scope="module")
def settings(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a stack whose object store is SeaweedFS."""
    folder = tmp_path_factory.mktemp("seaweedfs")
    embedded = servers.s3_server

    def seaweedfs(settings: Settings, credentials: Credentials) -> servers.Server:
        (settings.home / "notification.toml").write_text(NOTIFICATIONS)  # the server runs in the home folder
        keys = credentials.access_key_id, credentials.secret_access_key
        command = weed_command(folder, settings.s3_port, *keys)
        return replace(embedded(settings, credentials), title="S3 (SeaweedFS)", command=command)

    with idle_settings(stack, tmp_path_factory.mktemp("home")) as idle, pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "s3_server", seaweedfs)
        running = start_stack(idle)
        yield running.settings
        stop_stack(running)


@pytest.fixture(scope="module")
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


@pytest.fixture(scope="module")
def retrained(settings: Settings) -> Any:
    return json_of(settings, "retrain", *quick("stored"))


def test_the_store_is_seaweedfs(storage: Storage) -> None:
    answer = storage.client.list_objects_v2(Bucket=storage.bucket, MaxKeys=1)
    assert "SeaweedFS" in answer["ResponseMetadata"]["HTTPHeaders"]["server"]


def test_a_retraining_is_promoted_and_everything_that_lasts_is_in_the_store(retrained: Any, storage: Storage) -> None:
    assert retrained["promotion"]["action"] == "promoted"
    training = retrained["version"]["evaluation"]["training"]
    assert storage.exists(split_uri(training["checkpoint_uri"])[1])
    assert storage.exists(split_uri(training["dataset"]["uri"])[1])
    for prefix in ("mlflow/", "promotions/generator-stored/", "prefect/"):
        assert next(storage.list(prefix), None), prefix


@pytest.mark.usefixtures("retrained")
def test_the_ledger_is_read_and_housekeeping_finds_nothing_wrong(settings: Settings) -> None:
    assert json_of(settings, "models", "generator-stored", "--history")["history"]
    json_of(settings, "housekeeping", "--dry-run")


@pytest.mark.usefixtures("retrained")
def test_a_lost_shard_is_repaired(settings: Settings, storage: Storage) -> None:
    shard = next(entry.key for entry in storage.list("datasets/stored/") if entry.key.endswith("images-00000.npy"))
    storage.delete(shard)
    run(settings, "data", "prepare", "--preset", "digits", "--set", "data.name=stored")
    assert storage.exists(shard)


@pytest.mark.usefixtures("retrained")
def test_a_backup_is_intact_and_holds_the_ledger(settings: Settings, storage: Storage, tmp_path: Path) -> None:
    saved = json_of(settings, "backup", str(tmp_path / "backup"))
    assert json_of(settings, "backup", "--check", str(tmp_path / "backup"))["objects"] == saved["objects"]
    kept = {path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file()}
    assert {storage.get_bytes(entry.key) for entry in storage.list("promotions/")} <= kept


@contextmanager
def listening(settings: Settings, log: Path, **more: str) -> Iterator[None]:
    """`wgan listen` as a process of its own."""
    variables = environment(settings, WGAN_LISTEN_TOKEN=TOKEN, WGAN_LISTEN_QUIET_SECONDS="2", **more)
    command = [sys.executable, "-m", "wgan", "listen", "--port", str(LISTEN_PORT)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=output)
        try:
            wait_for(lambda: "Notifications are taken at" in log.read_text() or process.poll() is not None)
            yield
        finally:
            process.terminate()
            assert process.wait(60) == 0, log.read_text()


def started_runs(settings: Settings, schedule: str) -> list[Any]:
    found = ask(settings, "flow_runs/filter", deployments={"name": {"any_": [schedule]}})
    return [each for each in found if not each["auto_scheduled"]]


def test_a_burst_of_new_objects_starts_the_schedule_that_reads_them_once(
    settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    for name, more in {"arriving": ["--if-changed"], "elsewhere": ["--if-changed"], "always": []}.items():
        prefix = "elsewhere" if name == "elsewhere" else "arriving"
        where = ("data.source=s3", f"data.location=s3://{storage.bucket}/{prefix}")
        run(settings, "schedule", "add", "--cron", "0 3 1 1 *", "--name", name, *more, *quick(name, *where))
    with listening(settings, tmp_path / "log"):
        for number in range(20):
            storage.put_bytes(f"arriving/{number}.png", b"an image")
        wait_for(lambda: started_runs(settings, "arriving"))
        storage.put_bytes("arriving/20.png", b"another image")
        wait_for(lambda: len(started_runs(settings, "arriving")) > 1)
    assert [len(started_runs(settings, name)) for name in ("arriving", "elsewhere", "always")] == [2, 0, 0]
    assert started_runs(settings, "arriving")[0]["state_type"] == "SCHEDULED", "it waits for a worker"


def test_listening_without_a_token_is_one_sentence(settings: Settings) -> None:
    refused = run(settings, "listen", code=2)
    assert refused.stderr.startswith("Set WGAN_LISTEN_TOKEN to a secret of at least 16 characters")
