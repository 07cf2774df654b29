"""Where a quick retraining on a worker is killed, and its expected outcome."""

from __future__ import annotations

import random
import re
import time
from typing import Any

from tests.integration.command_line import json_of
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import PATIENCE, Worker, task_runs
from wgan.settings import Settings, load_settings
from wgan.storage import open_storage
from wgan.tracking.runs import metric_history

FINISHED = (
    "check champion",
    "prepare data",
    "report on data",
    "train generator",
    "keep data report",
    "evaluate generator",
    "register generator",
    "compare with champion",
    "decide",
    "promote generator",
)
"""Each is followed by another step, during which the kill happens."""
LINES = ("Beginning flow run", *(f"Task run '{step}-\\w+' - Finished in state" for step in FINISHED))
"""The log line just before each step in which the run is killed."""
LONGEST_PAUSE = 0.3
"""Seconds between such a line and the kill, at most."""


def drawn_pauses() -> list[float]:
    """A pause before each of the kills, seconds; printed is the seed that they are drawn with.

    None before the last: what follows the promotion takes but two tenths of a second where nothing is to be confirmed.
    """
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"pauses before the kills drawn with seed {seed}")
    drawn = random.Random(seed)
    return [*(drawn.uniform(0, LONGEST_PAUSE) for _ in LINES[1:]), 0.0]


def wait_for_line(running: Worker, line: str, pause: float, position: int = 0) -> int:
    """Wait until the worker's log has the line behind the position, then pause; returns the log's length then."""
    wait_for(lambda: re.search(line, running.log.read_text()[position:]), PATIENCE, longest_pause=0.05)
    time.sleep(pause)
    return len(running.log.read_text())


def assert_nothing_shows(settings: Settings, name: str, run: Any) -> None:
    """The retraining `quick(name)`, ended as the Prefect server's `run`, has the outcome of an undisturbed one."""
    assert run["state_type"] == "COMPLETED"
    # A kill may come before Prefect has the result of the step that had just finished; one that it has is not redone.
    computed = [entry["name"] for entry in task_runs(settings, run["id"]) if entry["state_name"] == "Completed"]
    assert len(computed) == len({step.rsplit("-", 1)[0] for step in computed}), "a finished step was done again"
    model = f"generator-{name}"
    versions = json_of(settings, "models", model)["versions"]
    assert [(entry["version"], entry["aliases"]) for entry in versions] == [(1, ["champion"])]
    history = json_of(settings, "models", model, "--history")["history"]
    # Reconciled: the kill fell between alias and ledger.
    assert [(entry["action"] in ("promoted", "reconciled"), entry["to_version"]) for entry in history] == [(True, 1)]
    metrics = metric_history(load_settings(home=settings.home), versions[0]["mlflow_run_id"])
    assert {step for step, values in metrics.items() if "wasserstein_estimate" in values} == set(range(1, 13))


def stored_models(settings: Settings) -> list[str]:
    """Keys of the registered generators in S3: one each, where no registration left half a model behind."""
    connected = load_settings(home=settings.home)
    stored = open_storage(connected).list(f"{connected.mlflow_prefix}/")
    return [entry.key for entry in stored if entry.key.endswith("model.onnx")]
