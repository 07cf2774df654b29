"""A command killed right after the start of its flow run does not leave the run running for ever."""

from __future__ import annotations

import socket

import pytest

from tests.integration.stack_commands import start, wait_for
from tests.integration.worker_process import ask, flow_run
from wgan.settings import Settings

pytestmark = [pytest.mark.slow(minutes=3), pytest.mark.long]
MODEL = "generator-of-a-killed-rollback"


def test_a_rollback_killed_at_its_first_state_counts_as_crashed(stack: Settings) -> None:
    """Only the Prefect server can notice: no worker runs, and no schedule was applied."""
    running = {"flow_runs": {"name": {"any_": [MODEL]}, "state": {"type": {"any_": ["RUNNING"]}}}}
    with socket.create_server(("127.0.0.1", 0)) as silent:  # an MLflow server that never answers: the rollback waits
        mlflow = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = start(stack, "rollback", MODEL, WGAN_MLFLOW_TRACKING_URI=mlflow)
        wait_for(lambda: ask(stack, "flow_runs/filter", **running) or command.poll() is not None, longest_pause=0.05)
        command.kill()
        command.communicate()
    (killed,) = ask(stack, "flow_runs/filter", **running)
    wait_for(lambda: flow_run(stack, killed["id"])["state_type"] == "CRASHED", 240)
    assert flow_run(stack, killed["id"])["state"]["message"].startswith("No heartbeat for 90 s")
