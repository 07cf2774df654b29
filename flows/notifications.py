"""Notifies the addresses of WGAN_NOTIFY_URL of failed, crashed and impossible runs, refused and promoted versions.

A worker sends the notifications, so that only it knows the addresses, which may contain tokens: all users of the
Prefect server can read what is stored there. The server stores, for each address by its place, how far notifications
have been sent; one worker sends at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.concurrency.sync import concurrency
from pydantic import ValidationError

from flows.channels import Channel, Message, open_channels
from wgan.errors import WganError
from wgan.prefect_server.names import NOT_DONE
from wgan.records import Record
from wgan.registry.ledger_event import PROMOTED, REFUSED, WAITS
from wgan.settings import Settings
from wgan.tracking.grids import both_grids

VARIABLE = "wgan_told"
LIMIT = "wgan-telling"
FLOW_RUN_EVENTS = tuple(f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", NOT_DONE))
MODEL_EVENTS = (REFUSED, PROMOTED, WAITS)
LATE = timedelta(minutes=2)
"""Maximum delay before an event reaches the server."""
KEPT = timedelta(hours=1)
"""How long an event is retried if the address does not accept it."""
LEASE_SECONDS = 60
MOST_AT_ONCE = 50


class Cursor(Record):
    """How far notifications have been sent to an address."""

    until: datetime
    ids: tuple[str, ...] = ()
    """Events after `until` that have also been sent."""


class Notifier:
    """Sends one worker's notifications; does nothing without WGAN_NOTIFY_URL. Raises `UsageError` for a wrong one."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._channels = open_channels(settings.notify_url.get_secret_value()) if settings.notify_url else ()
        self._settings = settings
        self._say = say
        self._silent: set[int] = set()

    def send_new(self) -> None:
        """Send what happened since the last call. What an address rejects is retried for an hour."""
        if not self._channels:
            return
        with get_client(sync_client=True) as client:
            for channel in self._channels:
                self._send_to(client, channel)

    def _send_to(self, client: SyncPrefectClient, channel: Channel) -> None:
        name, limit = f"{VARIABLE}_{channel.place}", f"{LIMIT}-{channel.place}"
        cursor = _read(client, name)
        if cursor is None:
            client.upsert_global_concurrency_limit_by_name(limit, 1)
            client.create_variable(VariableCreate(name=name, value=_value(Cursor(until=datetime.now(UTC)))))
            return
        if not _unsent(client, cursor):
            return
        with suppress(TimeoutError), concurrency(limit, timeout_seconds=1, lease_duration=LEASE_SECONDS):
            cursor = self._send_all(client, channel, _read(client, name) or cursor)
            client.update_variable(VariableUpdate(name=name, value=_value(cursor)))

    def _send_all(self, client: SyncPrefectClient, channel: Channel, cursor: Cursor) -> Cursor:
        now = datetime.now(UTC)
        ids = set(cursor.ids)
        events = _unsent(client, cursor)
        for event in events:
            if not self._send(channel, event) and datetime.fromisoformat(event["occurred"]) > now - KEPT:
                break
            ids.add(event["id"])
        else:
            if len(events) < MOST_AT_ONCE:
                cursor = cursor.model_copy(update={"until": max(cursor.until, now - LATE)})
        recent = _ids_after(client, cursor)
        return Cursor(until=cursor.until, ids=tuple(sorted(ids & recent)))

    def _send(self, channel: Channel, event: dict[str, Any]) -> bool:
        why = channel.send(message_of(event, self._settings), lambda: picture_of(event, self._settings))
        if why and channel.place not in self._silent:
            self._say(f"A notification was not accepted by {channel} ({why}); it is retried.")
        (self._silent.add if why else self._silent.discard)(channel.place)
        return not why


def message_of(event: dict[str, Any], settings: Settings) -> Message:
    """The message about an event."""
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
    run = content["flow_run_id"]
    link = f"{settings.prefect_page}/runs/flow-run/{run}" if run else ""
    return {"event": event["event"], **content, "link": link, "time": event["occurred"]}


def picture_of(event: dict[str, Any], settings: Settings) -> bytes | None:
    """A PNG of the version's samples beside its champion's; None for other events, or if MLflow does not answer."""
    if event["event"] not in MODEL_EVENTS:
        return None
    payload, model = event["payload"], event["resource"]["prefect.resource.name"]
    with suppress(WganError):  # the message matters more
        return both_grids(model, payload["to_version"], payload["from_version"], settings)
    return None


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


def _read(client: SyncPrefectClient, name: str) -> Cursor | None:
    variable = client.read_variable_by_name(name)
    if variable is None:
        return None
    with suppress(ValidationError):
        return Cursor.model_validate(variable.value)
    return Cursor(until=datetime.now(UTC))


def _value(cursor: Cursor) -> dict[str, Any]:
    return cursor.model_dump(mode="json")
