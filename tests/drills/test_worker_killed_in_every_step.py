"""SIGKILL of a worker with its run, one worker for each step of a retraining: other workers finish their runs.

Nothing is left to report such a death, so each run is silent for three heartbeats before it counts as crashed. The
workers therefore die in parallel, each with its own run; on Postgres, since so many at once are more than
Prefect on SQLite answers in time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.drills.killed_retraining import (
    LINES,
    assert_nothing_shows,
    drawn_pauses,
    stored_models,
    wait_for_line,
)
from tests.integration.command_line import OPEN_FLOORS, QUICK
from tests.integration.postgres_server import postgres_server, stack_on_postgres
from tests.integration.stack_commands import run as run_wgan
from tests.integration.worker_process import Worker, ask, read, wait_for_end, worker
from wgan.settings import Settings

pytestmark = [pytest.mark.slow(minutes=5), pytest.mark.long]


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Settings]:
    with postgres_server() as postgres, stack_on_postgres(postgres, tmp_path / "home") as settings:
        yield settings


def test_a_run_resumes_on_another_worker_after_its_worker_dies_in_any_step(own_stack: Settings, tmp_path: Path) -> None:
    names = [f"drill-{number}" for number in range(len(LINES))]
    file = tmp_path / "schedules.yaml"
    file.write_text(json.dumps(_declared(names)))
    run_wgan(own_stack, "schedule", "apply", str(file))
    with ExitStack() as doomed, ThreadPoolExecutor(len(LINES)) as threads:
        workers = list(threads.map(lambda _: doomed.enter_context(worker(own_stack, tmp_path, "--limit", "1")), LINES))
        kills = [
            threads.submit(_kill_after, running, line, pause)
            for running, line, pause in zip(workers, LINES, drawn_pauses(), strict=True)
        ]
        run_ids = [_start(own_stack, name) for name in names]
        for kill in kills:
            kill.result()
    with worker(own_stack, tmp_path), worker(own_stack, tmp_path):
        runs = [wait_for_end(own_stack, run_id) for run_id in run_ids]
    for name, run in zip(names, runs, strict=True):
        states = [state["name"] for state in read(own_stack, f"flow_run_states/?flow_run_id={run['id']}")]
        assert (run["run_count"], states.count("Crashed")) == (2, 1), states
        assert_nothing_shows(own_stack, name, run)
    assert len(stored_models(own_stack)) == len(LINES)


def _declared(names: list[str]) -> dict[str, Any]:
    """A schedules file of quick retrainings that the clock never starts."""
    configs: dict[str, Any] = {}
    for name in names:
        config = configs.setdefault(name, {})
        for assignment in (*QUICK, *OPEN_FLOORS, f"data.name={name}"):
            path, value = assignment.split("=")
            section, field = path.split(".")
            config.setdefault(section, {})[field] = yaml.safe_load(value)
    never = {"cron": "0 3 1 1 *", "preset": "digits"}
    return {
        "gpu_slots": len(names),
        "schedules": [{"name": name, **never, "config": config} for name, config in configs.items()],
    }


def _start(settings: Settings, name: str) -> str:
    deployment = read(settings, f"deployments/name/retrain/{name}")["id"]
    return str(ask(settings, f"deployments/{deployment}/create_flow_run", state={"type": "SCHEDULED"})["id"])


def _kill_after(running: Worker, line: str, pause: float) -> None:
    wait_for_line(running, line, pause)
    assert running.runs(), f"the run ended before its worker could be killed after {line}"
    running.kill_with_its_runs()
