"""A run that the Prefect server shows like any other, though no flow of Prefect's is run: its import takes seconds.

For what is done in one go, by a process whose user is in a hurry. The run has a name, parameters, a log and a named
end. One whose process dies counts as crashed as any other does: the server's automation waits for a sign of life of
every run that has begun.
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
"""As whose lines Prefect's pages show a run's log."""

log = logging.getLogger(__name__)


class _Id(Answer):
    id: str


@dataclass
class RecordedRun:
    """A run at the server, which is at work."""

    id: str
    flow_id: str
    name: str
    ended: str = "Completed."
    """What the state says that the run completes in."""
    lines: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def say(self, text: str, level: int = logging.INFO) -> None:
        """A line of its log, sent at its end."""
        now = datetime.now(UTC).isoformat()
        line = {"name": LOGGER, "level": level, "message": text, "timestamp": now, "flow_run_id": self.id}
        self.lines.append(line)

    def tell(self, event: Mapping[str, Any]) -> None:
        """An event (`event`, `resource`, `payload`), sent at the run's end."""
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
    """Puts what this package logs into the run's log."""

    def __init__(self, run: RecordedRun) -> None:
        super().__init__()
        self._run = run

    def emit(self, record: logging.LogRecord) -> None:
        self._run.say(record.getMessage(), record.levelno)


@contextmanager
def recorded_run(server: PrefectServer, flow: str, name: str, parameters: Mapping[str, Any]) -> Iterator[RecordedRun]:
    """A run of the flow for the time of the block, which ends as the block does; its error comes through.

    What cannot be done (`UsageError`, `Overtaken`) ends as `NOT_DONE`, Ctrl-C as `STOPPED`, both without being a
    failure. Raises `WganError` where the server does not take the run; one that does not take its end is warned of.
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
        log.warning("What was asked is done, but the run %s (%s) stays open: %s", run.id, flow, error)


def _state_after(error: BaseException) -> tuple[str, str, str]:
    """Type, name and message."""
    if isinstance(error, KeyboardInterrupt | Interrupted):
        return "CANCELLED", STOPPED, f"Stopped by the user: {error}" if str(error) else "Stopped by the user."
    if isinstance(error, UsageError | Overtaken):
        return "CANCELLED", NOT_DONE, f"Not done: {error}"
    return "FAILED", "Failed", str(error) if isinstance(error, WganError) else f"{type(error).__name__}: {error}"


def _end(server: PrefectServer, run: RecordedRun, kind: str, name: str, message: str) -> None:
    """The state first: it matters most, and the log's last line says the same."""
    run.say(message, logging.ERROR if kind == "FAILED" else logging.INFO)
    state = {"type": kind, "name": name, "message": message}
    # A run that was silent for too long may count as crashed by now.
    server.tell("POST", f"flow_runs/{run.id}/set_state", state=state, force=True)
    server.add("logs/", run.lines)
    if run.events:
        server.add("events", run.events)
