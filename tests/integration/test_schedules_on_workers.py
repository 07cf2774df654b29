"""Schedules, workers and slots: a separate stack, real workers, runs that are killed and resume."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run as run_wgan
from tests.integration.stack_commands import stack_without_serving, wait_for
from tests.integration.worker_process import (
    PATIENCE,
    Worker,
    ask,
    checkpoint_step,
    flow_run,
    read,
    runs_of,
    task_runs,
    wait_for_end,
    worker,
)
from wgan.settings import Settings, load_settings
from wgan.tracking.client import tracking_client
from wgan.tracking.runs import metric_history

pytestmark = pytest.mark.slow(minutes=10)

STEPS = 240
LONG = (
    f"training.generator_steps={STEPS}",
    "training.checkpoint_every_steps=25",
    "training.log_every=20",
    "training.sample_every=60",
)
"""Some ten seconds of training, long enough to be killed."""


@pytest.fixture(scope="module")
def own_stack(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with stack_without_serving(stack, tmp_path_factory.mktemp("schedules") / "home") as settings:
        yield settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


def add(settings: Settings, name: str, *more: str, cron: str = "0 3 1 1 *", overlap: str = "enqueue") -> None:
    timing = ("--cron", cron, "--overlap", overlap)
    run_wgan(settings, "schedule", "add", *timing, "--name", name, *quick(name, *more))


def start_run(settings: Settings, name: str) -> str:
    return str(json_of(settings, "schedule", "run", name)["flow_run_id"])


def wait_for_checkpoint(settings: Settings, flow_run_id: str) -> int:
    wait_for(lambda: checkpoint_step(settings, flow_run_id), PATIENCE)
    return checkpoint_step(settings, flow_run_id)


def trained_steps(settings: Settings, model: str) -> list[int]:
    """Steps whose metrics the model's first version left in MLflow."""
    versions = json_of(settings, "models", model)["versions"]
    history = metric_history(load_settings(home=settings.home), versions[-1]["mlflow_run_id"])
    return sorted(step for step, values in history.items() if "wasserstein_estimate" in values)


def messages(settings: Settings, flow_run_id: str) -> list[str]:
    """The run's messages in Prefect's log."""
    return [entry["message"] for entry in ask(settings, "logs/filter", logs={"flow_run_id": {"any_": [flow_run_id]}})]


def names_of_finished_tasks(settings: Settings, flow_run_id: str) -> list[str]:
    return [
        run["name"].rsplit("-", 1)[0] for run in task_runs(settings, flow_run_id) if run["state_name"] == "Completed"
    ]


def test_from_nothing_to_a_second_automatic_run_that_survives_its_worker(own_stack: Settings, folder: Path) -> None:
    """The walk of the README's operations chapter, with a schedule of every minute."""
    add(own_stack, "walk", *LONG, cron="* * * * *", overlap="cancel")
    with worker(own_stack, folder) as first:
        wait_for(lambda: runs_of(own_stack, "walk"), PATIENCE)
        assert wait_for_end(own_stack, runs_of(own_stack, "walk")[0]["id"])["state_type"] == "COMPLETED"
        wait_for(lambda: len(runs_of(own_stack, "walk")) > 1, PATIENCE)
        run = runs_of(own_stack, "walk")[1]
        second = run["id"]
        # At once, before the next minute's run is due: it would take this one's place when its worker is gone.
        ask(own_stack, f"deployments/{run['deployment_id']}/pause_deployment")
        run_wgan(own_stack, "schedule", "pause", "walk")
        reached = wait_for_checkpoint(own_stack, second)
        first.kill_with_its_runs()
    assert flow_run(own_stack, second)["state_type"] == "RUNNING"  # not checked yet
    with worker(own_stack, folder):
        run = wait_for_end(own_stack, second)
    assert run["state_type"] == "COMPLETED"
    assert run["run_count"] == 2
    states = [state["name"] for state in read(own_stack, f"flow_run_states/?flow_run_id={second}")]
    assert "Crashed" in states
    assert states.index("AwaitingRetry") > states.index("Crashed")
    assert names_of_finished_tasks(own_stack, second).count("prepare data") == 1, "a completed step was repeated"
    assert reached > 0
    listed = json_of(own_stack, "models", "generator-walk")["versions"]
    assert [entry["version"] for entry in listed] == [2, 1]


@pytest.mark.long
def test_a_run_whose_process_dies_resumes_from_its_checkpoint(own_stack: Settings, folder: Path) -> None:
    add(own_stack, "killed", *LONG)
    with worker(own_stack, folder) as running:
        run_id = start_run(own_stack, "killed")
        reached = wait_for_checkpoint(own_stack, run_id)
        for process in running.runs():
            process.kill()
        run = wait_for_end(own_stack, run_id)
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 2)
    assert reached >= 25
    said = messages(own_stack, run_id)
    assert [line for line in said if line.startswith("Training resumes at generator step")]
    assert trained_steps(own_stack, "generator-killed") == list(range(20, STEPS + 1, 20))


@pytest.mark.long
def test_a_stopping_worker_lets_its_run_save_and_another_worker_resumes_it(own_stack: Settings, folder: Path) -> None:
    add(own_stack, "handed-over", *LONG, "training.checkpoint_every_steps=1000")  # no other checkpoint is due
    with worker(own_stack, folder) as first:
        run_id = start_run(own_stack, "handed-over")
        wait_for(lambda: "Started monitoring system metrics" in first.log.read_text(), PATIENCE)
        time.sleep(2)  # some steps
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(120) == 0, first.log.read_text()
        saved = checkpoint_step(own_stack, run_id)
    assert saved > 0, "no checkpoint was written for the stop"
    with worker(own_stack, folder):
        assert wait_for_end(own_stack, run_id)["state_type"] == "COMPLETED"
    assert f"Training resumes at generator step {saved}." in messages(own_stack, run_id)
    assert trained_steps(own_stack, "generator-handed-over") == list(range(20, STEPS + 1, 20))


def test_a_cancelled_run_is_not_restarted(own_stack: Settings, folder: Path) -> None:
    add(own_stack, "cancelled", *LONG)
    with worker(own_stack, folder) as running:
        run_id = start_run(own_stack, "cancelled")
        wait_for_checkpoint(own_stack, run_id)
        ask(own_stack, f"flow_runs/{run_id}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})
        assert wait_for_end(own_stack, run_id)["state_type"] == "CANCELLED"
        wait_for(lambda: not running.runs())
    assert flow_run(own_stack, run_id)["run_count"] == 1


@pytest.mark.long
def test_two_workers_share_the_load_and_one_slot_allows_one_training_at_a_time(
    own_stack: Settings, folder: Path
) -> None:
    steps = (
        "training.generator_steps=400",
        "training.log_every=10",
        "training.sample_every=200",
        "training.checkpoint_every_steps=200",
    )
    for name in ("left", "right"):
        add(own_stack, name, *steps)
    with worker(own_stack, folder, "--limit", "1") as one, worker(own_stack, folder, "--limit", "1") as other:
        ids = [start_run(own_stack, name) for name in ("left", "right")]
        for run_id in ids:
            assert wait_for_end(own_stack, run_id)["state_type"] == "COMPLETED"
        assert [_begun(process) for process in (one, other)] == [1, 1]
    first, second = sorted(_training_times(own_stack, f"generator-{name}") for name in ("left", "right"))
    assert first[1] <= second[0], "two trainings at once with one GPU slot"


def _begun(process: Worker) -> int:
    return process.log.read_text().count("Beginning flow run")


def _training_times(settings: Settings, model: str) -> tuple[int, int]:
    """First and last time of a training's metrics, milliseconds."""
    run_id = json_of(settings, "models", model)["versions"][0]["mlflow_run_id"]
    points = tracking_client(load_settings(home=settings.home)).get_metric_history(run_id, "critic_loss")
    times: list[Any] = [point.timestamp for point in points]
    return min(times), max(times)
