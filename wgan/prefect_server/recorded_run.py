"""A run shown on the Prefect server like any other, without running a Prefect flow, whose import takes seconds.

For quick operations of a single process whose user is waiting. The run has a name, parameters, a log and a named final
state. If its process dies, it counts as crashed like any other: the server's automation expects a heartbeat from every
run that has started.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wgan.errors import Interrupted, Overtaken, UsageError, WganError
from wgan.prefect_server.client import Answer, PrefectServer
from wgan.prefect_server.names import NOT_DONE, STOPPED

LOGGER = "prefect.flow_runs"
"""The logger name shown on Prefect's pages."""

log = logging.getLogger(__name__)


class _Id(Answer):
    id: str


@dataclass
class RecordedRun:
    """A run in progress on the server."""

    id: str
    flow_id: str
    name: str
    ended: str = "Completed."
    """The message of the run's final state."""
    lines: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def say(self, text: str, level: int = logging.INFO) -> None:
        """Add a line to its log, which is sent at its end."""
        now = datetime.now(UTC).isoformat()
        line = {"name": LOGGER, "level": level, "message": text, "timestamp": now, "flow_run_id": self.id}
        self.lines.append(line)

    def emit(self, event: Mapping[str, Any]) -> None:
        """Add an event (`event`, `resource`, `payload`), which is sent at the run's end."""
        related = [
            {
                "prefect.resource.id": f"prefect.flow-run.{self.id}",
                "prefect.resource.role": "flow-run",
                "prefect.resource.name": self.name,
            },
            {"prefect.resource.id": f"prefect.flow.{self.flow_id}", "prefect.resource.role": "flow"},
        ]
        now = datetime.now(UTC).isoformat()
        self.events.append({**event, "related": related, "occurred": now, "id": str(uuid.uuid4())})


class _Lines(logging.Handler):
    """Copies this package's log records into the run's log."""

    def __init__(self, run: RecordedRun) -> None:
        super().__init__()
        self._run = run

    def emit(self, record: logging.LogRecord) -> None:
        self._run.say(record.getMessage(), record.levelno)


@contextmanager
def recorded_run(server: PrefectServer, flow: str, name: str, parameters: Mapping[str, Any]) -> Iterator[RecordedRun]:
    """A run of the flow for the duration of the block, with the outcome of the block; errors propagate.

    An impossible request (`UsageError`, `Overtaken`) ends as `NOT_DONE`, Ctrl-C as `STOPPED`; neither counts as a
    failure. Raises `WganError` if the server does not accept the run; warns if it does not accept the run's end.
    """
    flow_id = server.ask(_Id, "POST", "flows/", name=flow).id
    begun = {"type": "RUNNING", "name": "Running"}
    made = server.ask(_Id, "POST", "flow_runs/", flow_id=flow_id, name=name, parameters=dict(parameters), state=begun)
    run = RecordedRun(made.id, flow_id, name)
    handler = _Lines(run)
    package = logging.getLogger("wgan")
    package.addHandler(handler)
    try:
        yield run
    except BaseException as error:
        with suppress(WganError):  # it would hide the cause
            _end(server, run, *_state_after(error))
        raise
    finally:
        package.removeHandler(handler)
    try:
        _end(server, run, "COMPLETED", "Completed", run.ended)
    except WganError as error:
        log.warning("The operation is done, but its run %s (%s) stays open: %s", run.id, flow, error)


def _state_after(error: BaseException) -> tuple[str, str, str]:
    """Type, name and message."""
    if isinstance(error, KeyboardInterrupt | Interrupted):
        return "CANCELLED", STOPPED, f"Stopped by the user: {error}" if str(error) else "Stopped by the user."
    if isinstance(error, UsageError | Overtaken):
        return "CANCELLED", NOT_DONE, f"Not done: {error}"
    return "FAILED", "Failed", str(error) if isinstance(error, WganError) else f"{type(error).__name__}: {error}"


def _end(server: PrefectServer, run: RecordedRun, kind: str, name: str, message: str) -> None:
    """Send the state first: it matters most."""
    run.say(message, logging.ERROR if kind == "FAILED" else logging.INFO)
    state = {"type": kind, "name": name, "message": message}
    # A run without heartbeats for too long may have been marked as crashed.
    server.send("POST", f"flow_runs/{run.id}/set_state", state=state, force=True)
    server.add("logs/", run.lines)
    if run.events:
        server.add("events", run.events)
