"""A worker of Ray on another machine reaches the servers as the process that started the training does."""

from __future__ import annotations

import os
from typing import Any, cast
from unittest.mock import patch

import pytest
from pydantic import SecretStr

from tests.unit.scale.test_losses_of_workers import session
from wgan.scale.workers import Worker
from wgan.steps import training_worker


class Reached(Exception):
    """The worker is at its first access to a server."""


def test_the_login_at_mlflow_is_that_of_the_starting_process(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, str] = {}

    def open_storage(*_: object) -> Any:
        found.update(os.environ)
        raise Reached

    monkeypatch.setattr(training_worker, "open_storage", open_storage)
    started = session(
        mlflow_tracking_uri="http://mlflow:5000", mlflow_username="pipeline", mlflow_password=SecretStr("a-password")
    )
    with patch.dict(os.environ), pytest.raises(Reached):
        training_worker.work(Worker(0, "cpu", cast(Any, None), lambda: False), started)
    assert found["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert (found["MLFLOW_TRACKING_USERNAME"], found["MLFLOW_TRACKING_PASSWORD"]) == ("pipeline", "a-password")
