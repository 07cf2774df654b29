"""A flow that is stopped or impossible ends in a named state and not as a failure."""

from __future__ import annotations

import inspect
import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.exceptions import CancelledRun
from prefect.states import State, StateType

from flows import endings, notifications
from flows.promote import promote
from flows.retrain import retrain
from flows.study import study
from tasks.run_logs import ProgressLines, without_foreseen_traceback
from wgan.config import RetrainConfig
from wgan.errors import DataMissing, Interrupted, Overtaken, UsageError, WganError
from wgan.prefect_server import automations
from wgan.progress import Progress

SERVER = {"flow_run": SimpleNamespace(id="0f" * 16)}


class Lines(list[str]):
    """A logger that keeps its records."""

    def info(self, text: str, *values: object) -> None:
        self.append(text % values if values else text)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """MLflow runs that were ended: flow run and status."""
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(endings, "runtime", SimpleNamespace(**SERVER))
    monkeypatch.setattr(endings, "connect", lambda: (None, None))
    monkeypatch.setattr(endings, "get_run_logger", Lines)
    monkeypatch.setattr(endings, "end_tasks_early", lambda name, message: None)
    monkeypatch.setattr(endings, "has_run", lambda _, run: False)
    monkeypatch.setattr(endings, "end_unfinished_run", lambda _, run, status: told.append((run, status)))
    return told


def state_after(error: BaseException, resumed_by: str = "") -> State[Any]:
    def work() -> None:
        raise error

    state = endings.named_endings(resumed_by=resumed_by)(work)()
    assert isinstance(state, State)
    return state


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyboardInterrupt(), "Stopped by the user."),
        (Interrupted("training stopped at step 3."), "Stopped by the user: training stopped at step 3."),
    ],
)
def test_ctrl_c_ends_a_run_as_stopped_by_the_user(
    error: BaseException, message: str, ended: list[tuple[str, str]]
) -> None:
    state = state_after(error)
    assert (state.type, state.name, state.message) == (StateType.CANCELLED, "Stopped", message)
    assert ended == [("0f" * 16, "KILLED")]


def test_a_run_that_can_be_resumed_names_the_command(ended: list[tuple[str, str]]) -> None:
    state = state_after(KeyboardInterrupt(), "wgan study --resume")
    going_on = f"`wgan study --resume {'0f' * 16}` resumes it."
    assert state.message == f"Stopped by the user: the run was stopped; {going_on}"
    cause = endings.cause_of(CancelledRun(state.message), "0f" * 16)
    assert (type(cause), str(cause)) == (Interrupted, f"the run was stopped; {going_on}")


@pytest.mark.parametrize("kind", [UsageError, DataMissing, Overtaken])
def test_an_impossible_request_is_not_a_failure(kind: type[WganError], ended: list[tuple[str, str]]) -> None:
    state = state_after(kind("there is nothing to go back to."))
    assert (state.type, state.name) == (StateType.CANCELLED, "Not done")
    assert state.message == "Not done: there is nothing to go back to."


def test_an_impossible_request_after_a_training_is_a_failure(
    ended: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "has_run", lambda _, run: True)
    with pytest.raises(UsageError, match="labels"):
        state_after(UsageError("the data has no labels."))


def test_the_caller_of_the_run_gets_the_error_itself(ended: list[tuple[str, str]]) -> None:
    error = UsageError("no.")
    state_after(error)
    assert endings.cause_of(CancelledRun("Not done: no."), "0f" * 16) is error


def test_a_run_cancelled_by_others_stays_cancelled() -> None:
    error = CancelledRun("by somebody")
    assert endings.cause_of(error, "another run") is error


def test_a_failure_stays_a_failure(ended: list[tuple[str, str]]) -> None:
    with pytest.raises(WganError, match="the disk is full"):
        state_after(WganError("the disk is full."))
    assert ended == []


def test_the_flows_keep_their_parameter_forms() -> None:
    config = inspect.signature(retrain.fn).parameters["config"]
    assert config.annotation is RetrainConfig
    assert retrain.parameters.required == ["config"]
    assert "RetrainConfig" in (retrain.parameters.definitions or {})
    assert promote.parameters.required == ["model_name", "version"]
    assert set(study.parameters.properties) == {"size", "claims", "seed"}


def test_waiters_and_notifications_know_the_names() -> None:
    for name in ("Refused", "Skipped", "Stopped", "Not done"):
        assert f"prefect.flow-run.{name}" in automations.ENDS
    assert "prefect.flow-run.Not done" in notifications.FLOW_RUN_EVENTS


def test_an_error_of_one_sentence_is_logged_without_its_traceback() -> None:
    def record(error: Exception) -> logging.LogRecord:
        try:
            raise error
        except Exception:
            return logging.LogRecord("prefect.task_runs", 40, "", 1, "failed", None, sys.exc_info())

    foreseen, defect = record(UsageError("no.")), record(ValueError("a defect"))
    assert without_foreseen_traceback(foreseen)
    assert without_foreseen_traceback(defect)
    assert foreseen.exc_info is None
    assert defect.exc_info is not None


def test_a_runs_log_shows_its_progress_occasionally(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    lines = Lines()
    monkeypatch.setattr("tasks.run_logs.get_run_logger", lambda: lines)
    monkeypatch.setattr("tasks.run_logs.time.monotonic", lambda: now[0])
    listener = ProgressLines()
    listener(Progress("training", 0, 0, "waits for the GPU slot"))
    for step in range(1, 101):
        now[0] += 1.0
        listener(Progress("training", step, 100, "50 images/s"))
    listener(Progress("training", 100, 100, "50 images/s"))
    assert lines == [
        "training: waits for the GPU slot",
        "training: step 1 of 100. 50 images/s",
        "training: step 31 of 100, about 69 s left. 50 images/s",
        "training: step 61 of 100, about 39 s left. 50 images/s",
        "training: step 91 of 100, about 9 s left. 50 images/s",
        "training: step 100 of 100. 50 images/s",
    ]
