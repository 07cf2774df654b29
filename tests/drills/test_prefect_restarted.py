"""The Prefect server is killed in the middle of a scheduled training, and comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run as run_wgan
from tests.integration.stack_commands import server_pids, stack_without_serving, wait_for
from tests.integration.worker_process import PATIENCE, checkpoint_step, read, wait_for_end, worker
from wgan.settings import Settings, load_settings
from wgan.stack import stack_status
from wgan.tracking.runs import metric_history

pytestmark = [pytest.mark.slow(minutes=2), pytest.mark.long]

STEPS = 500


@pytest.fixture
def own_stack(stack: Settings, tmp_path: Path) -> Iterator[Settings]:
    with stack_without_serving(stack, tmp_path / "home") as settings:
        yield settings


def test_a_training_continues_and_releases_its_slot(own_stack: Settings, tmp_path: Path) -> None:
    config = quick(
        "restarted",
        f"training.generator_steps={STEPS}",
        "training.log_every=50",
        "training.sample_every=100",
        "training.checkpoint_every_steps=25",
    )
    run_wgan(own_stack, "schedule", "add", "--cron", "0 3 1 1 *", "--name", "restarted", *config)
    with worker(own_stack, tmp_path) as running:
        run_id = json_of(own_stack, "schedule", "run", "restarted")["flow_run_id"]
        wait_for(lambda: checkpoint_step(own_stack, run_id), PATIENCE)
        assert read(own_stack, "v2/concurrency_limits/gpu")["active_slots"] == 1
        server = psutil.Process(server_pids(own_stack.home)["prefect"])
        started = time.monotonic()
        server.kill()
        wait_for(lambda: server_pids(own_stack.home)["prefect"] not in (None, server.pid), PATIENCE)
        without_serving = own_stack.model_copy(update={"serve": False})
        wait_for(lambda: stack_status(without_serving).healthy, PATIENCE)
        print(f"the Prefect server was away for {time.monotonic() - started:.1f} s")
        run = wait_for_end(own_stack, run_id)
        assert running.process.poll() is None, running.log.read_text()
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 1)
    version = json_of(own_stack, "models", "generator-restarted")["versions"][0]
    metrics = metric_history(load_settings(home=own_stack.home), version["mlflow_run_id"])
    trained = {step for step, values in metrics.items() if "wasserstein_estimate" in values}
    assert trained == set(range(50, STEPS + 1, 50))
    wait_for(lambda: read(own_stack, "v2/concurrency_limits/gpu")["active_slots"] == 0, PATIENCE)
