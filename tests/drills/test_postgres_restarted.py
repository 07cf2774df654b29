"""Postgres, under both databases, is restarted in the middle of a scheduled training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.postgres_server import PostgresServer, postgres_server, stack_on_postgres
from tests.integration.stack_commands import run as run_wgan
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import PATIENCE, checkpoint_step, runs_of, wait_for_end, worker
from wgan.settings import Settings, load_settings
from wgan.tracking.runs import metric_history

pytestmark = [pytest.mark.slow(minutes=2), pytest.mark.long]

STEPS = 400


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def own_stack(postgres: PostgresServer, tmp_path: Path) -> Iterator[Settings]:
    with stack_on_postgres(postgres, tmp_path / "home") as settings:
        yield settings


def test_a_training_continues_and_no_metric_step_is_missing(
    own_stack: Settings, postgres: PostgresServer, tmp_path: Path
) -> None:
    steps = (f"training.generator_steps={STEPS}", "training.checkpoint_every_steps=25", "training.sample_every=100")
    config = quick("postgres", *steps)
    run_wgan(own_stack, "schedule", "add", "--cron", "0 3 1 1 *", "--name", "postgres", *config)
    with worker(own_stack, tmp_path):
        run_id = json_of(own_stack, "schedule", "run", "postgres")["flow_run_id"]
        wait_for(lambda: checkpoint_step(own_stack, run_id), PATIENCE)
        started = time.monotonic()
        postgres.restart()
        print(f"Postgres was away for {time.monotonic() - started:.1f} s")
        run = wait_for_end(own_stack, run_id)
    assert run["state_type"] == "COMPLETED"
    assert len(runs_of(own_stack, "postgres")) == 1
    versions = json_of(own_stack, "models", "generator-postgres")["versions"]
    assert [(entry["version"], entry["aliases"]) for entry in versions] == [(1, ["champion"])]
    metrics = metric_history(load_settings(home=own_stack.home), versions[0]["mlflow_run_id"])
    assert {step for step, values in metrics.items() if "wasserstein_estimate" in values} == set(range(1, STEPS + 1))
