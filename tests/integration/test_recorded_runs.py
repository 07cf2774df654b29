"""The run of a rollback, recorded without Prefect, is what Prefect's own client finds on the server."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, StateType

from tests.integration.stack_commands import wait_for
from wgan.errors import Interrupted, Overtaken, UsageError, WganError
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.recorded_run import RecordedRun, recorded_run
from wgan.registry.ledger_event import PROMOTED
from wgan.settings import Settings


@pytest.fixture
def client(stack: Settings) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"generator-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def server(stack: Settings) -> Iterator[PrefectServer]:
    with PrefectServer(stack) as server:
        yield server


def found(client: SyncPrefectClient, name: str) -> FlowRun:
    (run,) = client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])))
    return run


def log_of(client: SyncPrefectClient, run: FlowRun) -> list[str]:
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    return [line.message for line in client.read_logs(wanted)]


def test_a_run_has_its_flow_parameters_times_log_and_end(
    client: SyncPrefectClient, server: PrefectServer, name: str
) -> None:
    with recorded_run(server, "rollback", name, {"model_name": name, "to": 2}) as run:
        assert found(client, name).state_name == "Running"
        logging.getLogger("wgan.registry.reconciliation").warning("An operation of version %d is given up.", 3)
        run.ended = "Rolled back: version 2 is the champion again."
    ended = found(client, name)
    assert client.read_flow(ended.flow_id).name == "rollback"
    assert ended.parameters == {"model_name": name, "to": 2}
    assert ended.state is not None
    assert (ended.state.type, ended.state.name, ended.state.message) == (StateType.COMPLETED, "Completed", run.ended)
    assert ended.start_time is not None
    assert ended.end_time is not None
    assert log_of(client, ended) == ["An operation of version 3 is given up.", run.ended]


@pytest.mark.parametrize(
    ("error", "kind", "state", "message"),
    [
        (UsageError("there is nothing to go back to."), "CANCELLED", "Not done", "Not done: there is nothing to go"),
        (Overtaken("another was first."), "CANCELLED", "Not done", "Not done: another was first."),
        (KeyboardInterrupt(), "CANCELLED", "Stopped", "Stopped by the user."),
        (Interrupted("asked to."), "CANCELLED", "Stopped", "Stopped by the user: asked to."),
        (WganError("the store does not answer."), "FAILED", "Failed", "the store does not answer."),
        (ValueError("a defect"), "FAILED", "Failed", "ValueError: a defect"),
    ],
)
def test_a_run_that_fails_or_stops_says_why(
    client: SyncPrefectClient,
    server: PrefectServer,
    name: str,
    error: BaseException,
    kind: str,
    state: str,
    message: str,
) -> None:
    with pytest.raises(type(error)), recorded_run(server, "rollback", name, {}):
        raise error
    ended = found(client, name).state
    assert ended is not None
    assert (ended.type.value, ended.name) == (kind, state)
    assert str(ended.message).startswith(message)


def test_its_event_is_related_to_its_run(server: PrefectServer, name: str) -> None:
    with recorded_run(server, "rollback", name, {}) as run:
        run.emit(
            {
                "event": PROMOTED,
                "resource": {"prefect.resource.id": f"wgan.model.{name}"},
                "payload": {"to_version": 2},
            }
        )

    def events() -> list[Any]:
        wanted = {"resource": {"id": [f"wgan.model.{name}"]}, "event": {"name": [PROMOTED]}}
        answer: dict[str, Any] = server.ask(dict, "POST", "events/filter", filter=wanted)
        return list(answer["events"])

    wait_for(events)
    (event,) = events()
    assert event["payload"] == {"to_version": 2}
    assert f"prefect.flow-run.{run.id}" in [related["prefect.resource.id"] for related in event["related"]]


def test_a_final_state_that_the_server_rejects_is_a_warning_and_the_work_stands(
    server: PrefectServer, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise WganError("the Prefect server does not answer.")

    def work(run: RecordedRun) -> int:
        monkeypatch.setattr(PrefectServer, "send", refused)
        return 2

    with recorded_run(server, "rollback", name, {}) as run:
        done = work(run)
    assert done == 2
    assert f"its run {run.id} (rollback) stays open: the Prefect server does not answer." in caplog.text
