"""SIGKILL of a worker with its run, one worker for each step of a retraining: other workers finish what they had begun.

Nobody is left to report such a death, so each run is silent for three heartbeats before it counts as crashed. The
workers therefore die beside each other, each with a run of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.drills.killed_retraining import (
    LINES,
    LONGEST_PAUSE,
    assert_nothing_shows,
    stored_models,
    wait_for_line,
)
from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run as run_wgan
from tests.integration.stack_commands import stack_without_serving
from tests.integration.worker_process import Worker, read, wait_for_end, worker
from wgan.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def own_stack(stack: Settings, tmp_path: Path) -> Iterator[Settings]:
    with stack_without_serving(stack, tmp_path / "home", WGAN_GPU_SLOTS=str(len(LINES))) as settings:
        yield settings


def test_a_run_goes_on_at_another_worker_whatever_step_its_own_died_in(own_stack: Settings, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"pauses before the kills drawn with seed {seed}")
    pauses = random.Random(seed)
    names = [f"drill-{number}" for number in range(len(LINES))]
    for name in names:
        run_wgan(own_stack, "schedule", "add", "--cron", "0 3 1 1 *", "--name", name, *quick(name))
    with ExitStack() as doomed, ThreadPoolExecutor(len(LINES)) as killers:
        workers = [doomed.enter_context(worker(own_stack, tmp_path, "--limit", "1")) for _ in LINES]
        run_ids = [json_of(own_stack, "schedule", "run", name)["flow_run_id"] for name in names]
        kills = [
            killers.submit(_kill_after, running, line, pauses.uniform(0, LONGEST_PAUSE))
            for running, line in zip(workers, LINES, strict=True)
        ]
        for kill in kills:
            kill.result()
    with worker(own_stack, tmp_path), worker(own_stack, tmp_path):
        runs = [wait_for_end(own_stack, run_id) for run_id in run_ids]
    for name, run in zip(names, runs, strict=True):
        states = [state["name"] for state in read(own_stack, f"flow_run_states/?flow_run_id={run['id']}")]
        assert (run["run_count"], states.count("Crashed")) == (2, 1), states
        assert_nothing_shows(own_stack, name, run)
    assert len(stored_models(own_stack)) == len(LINES)


def _kill_after(running: Worker, line: str, pause: float) -> None:
    wait_for_line(running, line, pause)
    assert running.runs(), f"the run ended before its worker could be killed after {line}"
    running.kill_with_its_runs()
