"""The whole pipeline with SeaweedFS in place of the embedded store: a retraining, its report, a backup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import idle_settings
from tests.integration.command_line import json_of, quick
from tests.integration.seaweedfs_server import weed_command
from tests.integration.stack_commands import run
from wgan.settings import Settings
from wgan.stack import servers, start_stack, stop_stack
from wgan.stack.credentials import Credentials
from wgan.storage import Storage, open_storage, split_uri

pytestmark = pytest.mark.slow(minutes=4)


@pytest.fixture(scope="module")
def settings(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a stack whose object store is SeaweedFS."""
    folder = tmp_path_factory.mktemp("seaweedfs")
    embedded = servers.s3_server

    def seaweedfs(settings: Settings, credentials: Credentials) -> servers.Server:
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
