"""Notifies a webhook of failed, crashed and impossible runs, and of refused and promoted versions.

A worker sends the notifications, so that only it knows the webhook's URL, which may contain a token: all users of the
Prefect server can read what is stored there. The server stores how far notifications have been sent; one worker sends
at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.concurrency.sync import concurrency
from pydantic import ValidationError

from wgan.prefect_server.names import NOT_DONE
from wgan.records import Record
from wgan.registry.ledger_event import PROMOTED, REFUSED
from wgan.settings import Settings

VARIABLE = "wgan_told"
LIMIT = "wgan-telling"
FLOW_RUN_EVENTS = tuple(f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", NOT_DONE))
MODEL_EVENTS = (REFUSED, PROMOTED)
LATE = timedelta(minutes=2)
"""Maximum delay before an event reaches the server."""
KEPT = timedelta(hours=1)
"""How long an event is retried if the webhook does not answer."""
ANSWER_SECONDS = 10.0
LEASE_SECONDS = 60
MOST_AT_ONCE = 50


class Cursor(Record):
    """How far notifications have been sent."""

    until: datetime
    ids: tuple[str, ...] = ()
    """Events after `until` that have also been sent."""


class Notifier:
    """Sends one worker's notifications; does nothing without WGAN_NOTIFY_URL."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._url = settings.notify_url
        self._say = say
        self._silent = False

    def send_new(self) -> None:
        """Send what happened since the last call. What the webhook rejects is retried for an hour."""
        if self._url is None:
            return
        with get_client(sync_client=True) as client:
            cursor = _read(client)
            if cursor is None:
                client.upsert_global_concurrency_limit_by_name(LIMIT, 1)
                client.create_variable(VariableCreate(name=VARIABLE, value=_value(Cursor(until=datetime.now(UTC)))))
                return
            if not _unsent(client, cursor):
                return
            with suppress(TimeoutError), concurrency(LIMIT, timeout_seconds=1, lease_duration=LEASE_SECONDS):
                self._send_all(client, _read(client) or cursor)

    def _send_all(self, client: SyncPrefectClient, cursor: Cursor) -> None:
        now = datetime.now(UTC)
        ids = set(cursor.ids)
        events = _unsent(client, cursor)
        for event in events:
            if not self._post(message_of(event)) and datetime.fromisoformat(event["occurred"]) > now - KEPT:
                break
            ids.add(event["id"])
        else:
            if len(events) < MOST_AT_ONCE:
                cursor = cursor.model_copy(update={"until": max(cursor.until, now - LATE)})
        recent = _ids_after(client, cursor)
        client.update_variable(
            VariableUpdate(name=VARIABLE, value=_value(Cursor(until=cursor.until, ids=tuple(sorted(ids & recent)))))
        )

    def _post(self, message: dict[str, Any]) -> bool:
        assert self._url is not None
        try:
            httpx.post(self._url.get_secret_value(), json=message, timeout=ANSWER_SECONDS).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The error's message contains the URL.
            why = f"status {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else type(error)
            if not self._silent:
                self._say(f"The webhook of WGAN_NOTIFY_URL did not accept a notification ({why}); it is retried.")
            self._silent = True
            return False
        self._silent = False
        return True


def message_of(event: dict[str, Any]) -> dict[str, Any]:
    """The webhook's message about an event."""
    payload, resource = event["payload"], event["resource"]
    if event["event"] in MODEL_EVENTS:
        content = {
            "what": payload["what"],
            "state": payload["action"],
            "reason": payload["reason"],
            "flow_run_id": payload.get("flow_run_id") or "",
        }
    else:
        content = {
            "what": f"flow run {resource['prefect.resource.name']}",
            "state": resource["prefect.state-name"],
            "reason": resource.get("prefect.state-message") or "",
            "flow_run_id": resource["prefect.resource.id"].removeprefix("prefect.flow-run."),
        }
    return {"event": event["event"], **content, "time": event["occurred"]}


def _unsent(client: SyncPrefectClient, cursor: Cursor) -> list[dict[str, Any]]:
    return [event for event in _events(client, cursor) if event["id"] not in cursor.ids]


def _ids_after(client: SyncPrefectClient, cursor: Cursor) -> set[str]:
    return {event["id"] for event in _events(client, cursor)}


def _events(client: SyncPrefectClient, cursor: Cursor) -> list[dict[str, Any]]:
    wanted = {
        "event": {"name": [*FLOW_RUN_EVENTS, *MODEL_EVENTS]},
        "occurred": {"since": cursor.until.isoformat(), "until": (datetime.now(UTC) + LATE).isoformat()},
        "order": "ASC",
    }
    answer = client.request("POST", "/events/filter", json={"filter": wanted, "limit": MOST_AT_ONCE})
    return list(answer.json()["events"])


def _read(client: SyncPrefectClient) -> Cursor | None:
    variable = client.read_variable_by_name(VARIABLE)
    if variable is None:
        return None
    with suppress(ValidationError):
        return Cursor.model_validate(variable.value)
    return Cursor(until=datetime.now(UTC))


def _value(cursor: Cursor) -> dict[str, Any]:
    return cursor.model_dump(mode="json")
