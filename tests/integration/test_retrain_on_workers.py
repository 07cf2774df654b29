"""`wgan retrain` with two workers, through a Ray of its own, from data to the promoted version."""

from __future__ import annotations

import json
from typing import Any

import psutil
import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import start, wait_for
from wgan.settings import Settings, load_settings
from wgan.storage import open_storage
from wgan.storage.checkpoints import latest_checkpoints
from wgan.tracking.runs import metric_history

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytestmark = [pytest.mark.slow(minutes=3), pytest.mark.timeout(1800)]


def test_a_retraining_on_two_workers_ends_in_a_promoted_version(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = json_of(stack, "retrain", *quick("on-workers", "training.workers=2"))
    monkeypatch.setenv("WGAN_HOME", str(stack.home))
    assert_promoted(outcome, steps=12, every=4)


@pytest.mark.long
def test_a_retraining_one_of_whose_workers_is_killed_ends_in_a_promoted_version(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WGAN_HOME", str(stack.home))
    steps = ("training.generator_steps=600", "training.checkpoint_every_steps=50", "training.sample_every=300")
    before = trainings_with_a_checkpoint()
    retraining = start(stack, "retrain", *quick("killed-worker", "training.workers=2", *steps), "--json")
    try:
        wait_for(lambda: trainings_with_a_checkpoint() > before or retraining.poll() is not None, 400)
        workers_of(retraining.pid)[-1].kill()
        out, errors = retraining.communicate(timeout=900)
    finally:
        retraining.kill()
    assert retraining.returncode == 0, errors
    assert "A worker was lost, all start again from the newest checkpoint" in errors
    assert_promoted(json.loads(out), steps=600, every=50)


def assert_promoted(outcome: Any, steps: int, every: int) -> None:
    """The version is the champion, the newest checkpoints are kept, and MLflow has each step."""
    training = outcome["version"]["evaluation"]["training"]
    assert outcome["promotion"]["action"] == "promoted"
    assert training["generator_steps"] == steps
    settings = load_settings()
    stored = latest_checkpoints(training["flow_run_id"], settings, open_storage(settings))
    assert [checkpoint.step for checkpoint in stored] == [steps, steps - every]
    history = metric_history(settings, training["mlflow_run_id"])
    assert set(range(1, steps + 1)) <= set(history)


def trainings_with_a_checkpoint() -> int:
    """How many there are in the bucket."""
    settings = load_settings()
    stored = open_storage(settings).list(f"{settings.checkpoints_prefix}/")
    return sum(entry.key.endswith("/latest.json") for entry in stored)


def workers_of(process: int) -> list[psutil.Process]:
    """The processes of Ray that train for the process."""
    running = psutil.Process(process).children(recursive=True)
    return [found for found in running if "RayTrainWorker" in " ".join(found.cmdline())]
