"""The flow runs that the Prefect server knows, and their logs, by its HTTP API: importing Prefect takes a second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import Field

from wgan.errors import UsageError, WganError
from wgan.records import Record
from wgan.settings import Settings
from wgan.stack.prefect_login import login_headers

ANSWER_SECONDS = 30.0
PAGE = 200
"""Most that Prefect answers at once."""
RUNNING = "RUNNING"
FULL = 100.0
"""Percent."""


class RunEntry(Record):
    """A flow run as the server has it."""

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


def list_runs(settings: Settings, limit: int) -> list[RunEntry]:
    """The newest runs that have begun or are due, newest first. Raises `WganError`."""
    begun = {"state": {"type": {"not_any_": ["SCHEDULED"]}}}
    found = _ask(settings, "flow_runs/filter", flow_runs=begun, sort="START_TIME_DESC", limit=min(limit, PAGE))
    ids = sorted({run["flow_id"] for run in found})
    flows = _ask(settings, "flows/filter", flows={"id": {"any_": ids}}) if ids else []
    names = {flow["id"]: flow["name"] for flow in flows}
    positions = _positions(settings, [run["id"] for run in found if run["state_type"] == RUNNING])
    return [
        RunEntry(
            id=run["id"],
            flow=names.get(run["flow_id"], "?"),
            name=run["name"],
            state=run["state_name"] or "?",
            message=" ".join(((run["state"] or {}).get("message") or "").split()),
            began=run["start_time"],
            ended=run["end_time"],
            progress=positions.get(run["id"], ""),
        )
        for run in found
    ]


def _positions(settings: Settings, run_ids: list[str]) -> dict[str, str]:
    """Flow run → what its newest progress artifact says. One that is full belongs to a step that has ended."""
    if not run_ids:
        return {}
    wanted = {"flow_run_id": {"any_": run_ids}, "type": {"any_": ["progress"]}}
    found = _ask(settings, "artifacts/filter", artifacts=wanted, sort="CREATED_DESC", limit=PAGE)
    newest: dict[str, dict[str, Any]] = {}
    for artifact in found:
        newest.setdefault(artifact["flow_run_id"], artifact)
    return {
        run: " ".join((artifact["description"] or "").split())
        for run, artifact in newest.items()
        if float(artifact["data"] or 0) < FULL
    }


def find_run(settings: Settings, beginning: str) -> RunEntry:
    """The run whose id begins so, among the newest. Raises `UsageError` where there is none, or several."""
    found = [run for run in list_runs(settings, PAGE) if run.id.startswith(beginning.lower())]
    if len(found) != 1:
        there = "several runs" if found else f"none of the newest {PAGE} runs"
        raise UsageError(f"{there} have an id that begins with {beginning!r}: `wgan runs` lists them.")
    return found[0]


def read_log(settings: Settings, run_id: str) -> Iterator[LogLine]:
    """The run's log, oldest line first. Raises `WganError`."""
    offset = 0
    while True:
        wanted = {"flow_run_id": {"any_": [run_id]}}
        page = _ask(settings, "logs/filter", logs=wanted, sort="TIMESTAMP_ASC", limit=PAGE, offset=offset)
        for line in page:
            yield LogLine(time=line["timestamp"], level=line["level"], text=line["message"])
        if len(page) < PAGE:
            return
        offset += PAGE


def _ask(settings: Settings, route: str, **values: Any) -> list[dict[str, Any]]:
    import httpx  # `wgan status` does not wait for it

    url = f"{settings.prefect_api_url.rstrip('/')}/{route}"
    try:
        answer = httpx.post(url, json=values, headers=login_headers(settings), timeout=ANSWER_SECONDS)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise WganError(
            f"the Prefect server at {settings.prefect_api_url} does not answer ({error}): start the embedded stack "
            "with `wgan up --detach`, or set WGAN_PREFECT_API_URL."
        ) from None
    return found
