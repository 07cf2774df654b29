"""`wgan runs` and `wgan logs RUN`: how runs ended, their logs, and quick answers."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.hidden_torch import hide
from tests.integration.stack_commands import run as run_wgan
from tests.integration.stack_commands import start as start_wgan
from tests.integration.stack_commands import wait_for
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=1)
REASON = "there is no registered model 'generator-of-nothing'"


@pytest.fixture(scope="module")
def refused(stack: Settings) -> Any:
    """The run of an impossible rollback."""
    run_wgan(stack, "rollback", "generator-of-nothing", code=2)
    return next(run for run in json_of(stack, "runs")["runs"] if REASON in run["message"])


def test_a_run_is_listed_with_how_it_ended_and_why(refused: Any, stack: Settings) -> None:
    assert (refused["flow"], refused["state"]) == ("rollback", "Not done")
    shown = run_wgan(stack, "runs", "--limit", "5").stdout
    line = next(line for line in shown.splitlines() if line.startswith(refused["id"][:8]))
    assert "Not done" in line
    assert REASON in line


def test_a_runs_log_is_found_by_a_prefix_of_its_id(refused: Any, stack: Settings) -> None:
    text = run_wgan(stack, "logs", refused["id"][:8]).stdout
    assert f"Not done: {REASON}" in text
    assert "Traceback" not in text


def test_an_unknown_run_is_one_sentence(stack: Settings) -> None:
    answer = run_wgan(stack, "logs", "no-such-run", code=2)
    assert "have an id that begins with 'no-such-run'" in answer.stderr


def test_both_commands_work_without_the_large_libraries(refused: Any, stack: Settings, tmp_path: Path) -> None:
    hidden = hide(tmp_path / "hidden", "mlflow", "prefect", "torch")
    assert refused["id"] in [run["id"] for run in json_of(stack, "runs", **hidden)["runs"]]
    assert REASON in run_wgan(stack, "logs", refused["id"], **hidden).stdout


def test_a_running_training_is_listed_with_its_progress_and_time_left(stack: Settings) -> None:
    long = quick("long", "training.generator_steps=100000", "training.checkpoint_every_steps=100000")
    process = start_wgan(stack, "retrain", *long)
    try:
        said: list[str] = []

        def is_said() -> bool:
            assert process.poll() is None, process.communicate()[1]
            said[:] = [
                run["progress"] for run in json_of(stack, "runs")["runs"] if run["name"].startswith("generator-long ")
            ]
            return any("left" in text for text in said)

        wait_for(is_said, 300)
        assert re.match(r"training: step [\d,]+ of 100,000, about .+ left\. ", said[0])
        assert " of 100,000, about " in run_wgan(stack, "runs").stdout
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    ended = next(run for run in json_of(stack, "runs")["runs"] if run["name"].startswith("generator-long "))
    assert (ended["state"], ended["progress"]) == ("Stopped", "")
