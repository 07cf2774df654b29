"""The Prefect server's flow runs, and their logs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import Field

from wgan.errors import UsageError
from wgan.prefect_server.client import PAGE, Answer, PrefectServer
from wgan.records import Record

RUNNING = "RUNNING"
FULL = 100.0
"""Percent."""


class RunEntry(Record):
    """A flow run on the server."""

    id: str
    flow: str
    name: str
    state: str = Field(description="Its name: Completed, Refused, Skipped, Stopped, Not done, Failed, Running, …")
    message: str
    began: datetime | None = Field(description="None where no worker has taken it yet.")
    ended: datetime | None
    progress: str = Field("", description="Of a run under way: how far it is, and about how much time is left.")


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
    state_type: str | None
    state_name: str | None
    state: _State | None
    start_time: datetime | None
    end_time: datetime | None


class _Flow(Answer):
    id: str
    name: str


class _Artifact(Answer):
    flow_run_id: str
    description: str | None
    data: float | None


class _Line(Answer):
    timestamp: datetime
    level: int
    message: str


def list_runs(server: PrefectServer, limit: int) -> list[RunEntry]:
    """The newest runs that have started or are due, newest first. Raises `WganError`."""
    begun = {"state": {"type": {"not_any_": ["SCHEDULED"]}}}
    found = server.ask(
        list[_FlowRun], "POST", "flow_runs/filter", flow_runs=begun, sort="START_TIME_DESC", limit=min(limit, PAGE)
    )
    ids = sorted({run.flow_id for run in found})
    flows = server.ask(list[_Flow], "POST", "flows/filter", flows={"id": {"any_": ids}}) if ids else []
    names = {flow.id: flow.name for flow in flows}
    positions = _positions(server, [run.id for run in found if run.state_type == RUNNING])
    return [
        RunEntry(
            id=run.id,
            flow=names.get(run.flow_id, "?"),
            name=run.name,
            state=run.state_name or "?",
            message=" ".join(((run.state and run.state.message) or "").split()),
            began=run.start_time,
            ended=run.end_time,
            progress=positions.get(run.id, ""),
        )
        for run in found
    ]


def _positions(server: PrefectServer, run_ids: list[str]) -> dict[str, str]:
    """Flow run → the text of its newest progress artifact. A full one belongs to a finished step."""
    if not run_ids:
        return {}
    wanted = {"flow_run_id": {"any_": run_ids}, "type": {"any_": ["progress"]}}
    found = server.ask(list[_Artifact], "POST", "artifacts/filter", artifacts=wanted, sort="CREATED_DESC", limit=PAGE)
    newest: dict[str, _Artifact] = {}
    for artifact in found:
        newest.setdefault(artifact.flow_run_id, artifact)
    return {
        run: " ".join((artifact.description or "").split())
        for run, artifact in newest.items()
        if (artifact.data or 0) < FULL
    }


def find_run(server: PrefectServer, beginning: str) -> RunEntry:
    """The run with this id prefix, among the newest. Raises `UsageError` if there is none, or several."""
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
