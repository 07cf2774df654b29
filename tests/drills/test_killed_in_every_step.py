"""SIGKILL of the run's process in every step of one retraining: it ends as if nobody had disturbed it."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import idle_settings
from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run as run_wgan
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import PATIENCE, Worker, task_runs, wait_for_end, worker
from wgan.settings import Settings, load_settings
from wgan.storage import open_storage
from wgan.tracking.runs import metric_history

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STEPS = ("prepare data", "train generator", "evaluate generator", "register generator", "decide", "promote generator")
"""Each is followed by another one, in which the next kill lands."""


@pytest.fixture
def own_stack(stack: Settings, tmp_path: Path) -> Iterator[Settings]:
    with idle_settings(stack, tmp_path / "home") as settings:
        run_wgan(settings, "up", "--detach", WGAN_SERVE_MODEL="")
        yield settings


def test_a_retraining_killed_in_every_step_repeats_no_finished_step_and_registers_once(
    own_stack: Settings, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"pauses before the kills drawn with seed {seed}")
    pauses = random.Random(seed)
    run_wgan(own_stack, "schedule", "add", "--cron", "0 3 1 1 *", "--name", "drill", "--if-changed", *quick("drill"))
    with worker(own_stack, tmp_path) as running:
        run_id = json_of(own_stack, "schedule", "run", "drill")["flow_run_id"]
        position = _kill_after(running, "Beginning flow run", 0, pauses.uniform(0, 0.3))
        for step in STEPS:
            line = f"Task run '{step}-\\w+' - Finished in state"
            position = _kill_after(running, line, position, pauses.uniform(0, 0.3))
        run = wait_for_end(own_stack, run_id)
    assert run["state_type"] == "COMPLETED"
    assert run["run_count"] == len(STEPS) + 2, "not every kill landed"
    # A kill may come before Prefect has the result of the step that had just finished; one that it has is not redone.
    computed = [entry["name"] for entry in task_runs(own_stack, run_id) if entry["state_name"] == "Completed"]
    assert len(computed) == len({name.rsplit("-", 1)[0] for name in computed}), "a finished step was done again"

    versions = json_of(own_stack, "models", "generator-drill")["versions"]
    assert [(entry["version"], entry["aliases"]) for entry in versions] == [(1, ["champion"])]
    history = json_of(own_stack, "models", "generator-drill", "--history")["history"]
    assert [(entry["action"], entry["to_version"]) for entry in history] == [("promoted", 1)]
    connected = load_settings(home=own_stack.home)
    metrics = metric_history(connected, versions[0]["mlflow_run_id"])
    assert {step for step, values in metrics.items() if "wasserstein_estimate" in values} == set(range(1, 13))
    storage = open_storage(connected)
    models = [entry.key for entry in storage.list(f"{connected.mlflow_prefix}/") if entry.key.endswith("model.onnx")]
    assert len(models) == 1, "a registration left half a model behind"


def _kill_after(running: Worker, line: str, position: int, pause: float) -> int:
    """SIGKILL to the run's process once its log has the line behind the position; returns the log's length then."""
    wait_for(lambda: re.search(line, running.log.read_text()[position:]), PATIENCE)
    time.sleep(pause)
    position = len(running.log.read_text())
    processes = running.runs()
    assert processes, f"the run ended before it could be killed after {line}"
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, 30)
    return position
