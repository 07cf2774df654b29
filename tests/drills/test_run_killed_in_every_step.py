"""SIGKILL of the run's process in every step of one retraining: it ends as if undisturbed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.drills.killed_retraining import (
    LINES,
    assert_nothing_shows,
    drawn_pauses,
    stored_models,
    wait_for_line,
)
from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run as run_wgan
from tests.integration.stack_commands import stack_without_serving
from tests.integration.worker_process import Worker, wait_for_end, worker
from wgan.settings import Settings

pytestmark = [pytest.mark.slow(minutes=5), pytest.mark.long]


@pytest.fixture
def own_stack(stack: Settings, tmp_path: Path) -> Iterator[Settings]:
    with stack_without_serving(stack, tmp_path / "home") as settings:
        yield settings


def test_a_retraining_killed_in_every_step_repeats_no_finished_step_and_registers_once(
    own_stack: Settings, tmp_path: Path
) -> None:
    run_wgan(own_stack, "schedule", "add", "--cron", "0 3 1 1 *", "--name", "drill", "--if-changed", *quick("drill"))
    with worker(own_stack, tmp_path) as running:
        run_id = json_of(own_stack, "schedule", "run", "drill")["flow_run_id"]
        position = 0
        for line, pause in zip(LINES, drawn_pauses(), strict=True):
            position = wait_for_line(running, line, pause, position)
            _kill_run(running, line)
        run = wait_for_end(own_stack, run_id)
    assert run["run_count"] == len(LINES) + 1, "not every kill landed"
    assert_nothing_shows(own_stack, "drill", run)
    assert len(stored_models(own_stack)) == 1


def _kill_run(running: Worker, line: str) -> None:
    processes = running.runs()
    assert processes, f"the run ended before it could be killed after {line}"
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, 30)
