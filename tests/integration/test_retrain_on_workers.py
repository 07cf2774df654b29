"""`wgan retrain` with two workers, through a Ray of its own, from data to the promoted version."""

from __future__ import annotations

import pytest

from tests.integration.command_line import json_of, quick
from wgan.settings import Settings, load_settings
from wgan.storage import open_storage
from wgan.storage.checkpoints import latest_checkpoints
from wgan.tracking.runs import metric_history

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytestmark = pytest.mark.slow(minutes=3)


def test_a_retraining_on_two_workers_ends_in_a_promoted_version(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = json_of(stack, "retrain", *quick("on-workers", "training.workers=2"))
    training = outcome["version"]["evaluation"]["training"]
    assert outcome["promotion"]["action"] == "promoted"
    assert training["generator_steps"] == 12

    monkeypatch.setenv("WGAN_HOME", str(stack.home))
    settings = load_settings()
    stored = latest_checkpoints(training["flow_run_id"], settings, open_storage(settings))
    assert [checkpoint.step for checkpoint in stored] == [12, 8]
    history = metric_history(settings, training["mlflow_run_id"])
    assert set(range(1, 13)) <= set(history)
