"""A promotion's process stopped (SIGSTOP) or killed before each of its writes, while a rollback continues."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
import uuid

import psutil
import pytest
from mlflow import MlflowClient

from tests.drills import promotion_process
from tests.integration.stack_commands import environment, wait_for
from wgan.records import LedgerEntry
from wgan.registry import ledger
from wgan.registry.promotion import promote, rollback
from wgan.settings import Settings
from wgan.storage import Storage

pytestmark = pytest.mark.slow(minutes=4)

MOST_WAIT = 10.0
"""Seconds that an operation may wait for a dead one."""


UNDISTURBED: list[float] = []
"""Duration of the last undisturbed move on this machine, in seconds."""


@pytest.fixture
def model(stack: Settings, storage: Storage) -> str:
    """A registered model with versions 1 to 4 without files; 2 is champion after 1."""
    storage.ensure_bucket()
    client = MlflowClient(stack.mlflow_tracking_uri, stack.mlflow_tracking_uri)
    name = f"generator-{uuid.uuid4().hex[:8]}"
    logged = client.create_logged_model(client.create_experiment(name)).model_id
    client.create_registered_model(name)
    for _ in range(4):
        client.create_model_version(name, source=f"models:/{logged}", model_id=logged)
    for version, champion in ((1, None), (2, 1)):
        started = time.monotonic()
        forced(name, version, champion, stack, storage)
        UNDISTURBED[:] = [time.monotonic() - started]
    return name


def forced(model: str, version: int, champion: int | None, settings: Settings, storage: Storage) -> None:
    promote((model, version), None, settings, storage, force=True, reason="a drill", expected_champion=champion)


def begun(settings: Settings, model: str, sent: str, write: int) -> subprocess.Popen[str]:
    """A promotion of version 3 that the signal hits before that write, or that has ended when it has fewer."""
    command = [sys.executable, promotion_process.__file__, model, "3", "2", sent, str(write)]
    process = subprocess.Popen(command, env=environment(settings), stderr=subprocess.PIPE, text=True)

    def hit() -> bool:
        return process.poll() is not None or psutil.Process(process.pid).status() == psutil.STATUS_STOPPED

    wait_for(hit, 120, longest_pause=0.1)
    return process


def rolled_back(model: str, settings: Settings, storage: Storage) -> LedgerEntry:
    """Roll back, and check that it did not wait long for the other operation."""
    started = time.monotonic()
    entry = rollback(model, None, settings, storage, reason="a drill")
    # It reads the state a few times more often than an undisturbed move.
    waited = time.monotonic() - started - 3 * UNDISTURBED[0]
    assert waited < MOST_WAIT
    return entry


def assert_agreed(model: str, champion: int, settings: Settings, storage: Storage) -> None:
    client = MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)
    assert client.get_registered_model(model).aliases["champion"] == str(champion)
    entries = ledger.read(model, storage, settings)
    assert len({entry.id for entry in entries}) == len(list(storage.list(f"{settings.promotions_prefix}/{model}/")))
    for before, after in itertools.pairwise(entries):
        assert (after.previous, after.from_version) == (before.id, before.to_version)
    assert entries[-1].to_version == champion


@pytest.mark.parametrize("write", range(5))
def test_a_promotion_that_is_stopped_during_a_rollback_loses_and_says_so(
    model: str, stack: Settings, storage: Storage, write: int
) -> None:
    """The writes: its announcement (two tags), the alias previous, the alias champion, the ledger's entry."""
    process = begun(stack, model, "SIGSTOP", write)
    back = rolled_back(model, stack, storage)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert f"the champion is now version {back.to_version}" in said
    assert_agreed(model, back.to_version, stack, storage)


@pytest.mark.parametrize("write", range(7))
def test_after_a_killed_promotion_the_next_operation_waits_less_than_ten_seconds_and_succeeds(
    model: str, stack: Settings, storage: Storage, write: int
) -> None:
    process = begun(stack, model, "SIGKILL", write)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    back = rolled_back(model, stack, storage)
    assert_agreed(model, back.to_version, stack, storage)
