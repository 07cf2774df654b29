"""The flow runs that the Prefect server knows, and their logs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import Field

from wgan.errors import UsageError
from wgan.prefect_server.client import PAGE, Answer, PrefectServer
from wgan.records import Record


class RunEntry(Record):
    """A flow run as the server has it."""

    id: str
    flow: str
    name: str
    state: str = Field(description="Its name: Completed, Refused, Skipped, Stopped, Not done, Failed, Running, …")
    message: str
    began: datetime | None = Field(description="None where no worker has taken it yet.")
    ended: datetime | None


class LogLine(Record):
    """One line of a run's log."""

    time: datetime
    level: int
    text: str


class _State(Answer):
    message: str | None = None


class _FlowRun(Answer):
    id: str
    flow_id: str
    name: str
    state_name: str | None
    state: _State | None
    start_time: datetime | None
    end_time: datetime | None


class _Flow(Answer):
    id: str
    name: str


class _Line(Answer):
    timestamp: datetime
    level: int
    message: str


def list_runs(server: PrefectServer, limit: int) -> list[RunEntry]:
    """The newest runs that have begun or are due, newest first. Raises `WganError`."""
    begun = {"state": {"type": {"not_any_": ["SCHEDULED"]}}}
    found = server.ask(
        list[_FlowRun], "POST", "flow_runs/filter", flow_runs=begun, sort="START_TIME_DESC", limit=min(limit, PAGE)
    )
    ids = sorted({run.flow_id for run in found})
    flows = server.ask(list[_Flow], "POST", "flows/filter", flows={"id": {"any_": ids}}) if ids else []
    names = {flow.id: flow.name for flow in flows}
    return [
        RunEntry(
            id=run.id,
            flow=names.get(run.flow_id, "?"),
            name=run.name,
            state=run.state_name or "?",
            message=" ".join(((run.state and run.state.message) or "").split()),
            began=run.start_time,
            ended=run.end_time,
        )
        for run in found
    ]


def find_run(server: PrefectServer, beginning: str) -> RunEntry:
    """The run whose id begins so, among the newest. Raises `UsageError` where there is none, or several."""
    found = [run for run in list_runs(server, PAGE) if run.id.startswith(beginning.lower())]
    if len(found) != 1:
        there = "several runs" if found else f"none of the newest {PAGE} runs"
        raise UsageError(f"{there} have an id that begins with {beginning!r}: `wgan runs` lists them.")
    return found[0]


def read_log(server: PrefectServer, run_id: str) -> Iterator[LogLine]:
    """The run's log, oldest line first. Raises `WganError`."""
    wanted = {"flow_run_id": {"any_": [run_id]}}
    for line in server.pages(_Line, "logs/filter", logs=wanted, sort="TIMESTAMP_ASC"):
        yield LogLine(time=line.timestamp, level=line.level, text=line.message)
