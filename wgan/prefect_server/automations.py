"""The Prefect server's automations: runs without heartbeats have crashed; schedules start when their data arrives."""

from __future__ import annotations

from typing import Any

from wgan.prefect_server.arrivals import ARRIVED
from wgan.prefect_server.client import Answer, PrefectServer
from wgan.prefect_server.names import CANCELLED_NAMES, COMPLETED_NAMES, RELEASE
from wgan.settings import Settings

MISSED_HEARTBEATS = 3
"""Missed heartbeats after which a run counts as dead."""
PREFIX = "wgan: "
"""Prefix of the names of this pipeline's automations; others are left alone."""
HEARTBEAT = "prefect.flow-run.heartbeat"
RUNNING = "prefect.flow-run.Running"
"""Also covers runs that die before their first heartbeat."""
ENDS = tuple(f"prefect.flow-run.{state}" for state in (*COMPLETED_NAMES, *CANCELLED_NAMES, "Failed", "Crashed"))


class _Automation(Answer):
    id: str
    name: str
    description: str
    enabled: bool
    trigger: dict[str, Any]
    actions: list[dict[str, Any]]


def put_automations(server: PrefectServer, settings: Settings) -> list[str]:
    """Create or update this pipeline's automations and remove obsolete ones; returns their names."""
    wanted = {automation["name"]: automation for automation in _wanted(settings)}
    seen: set[str] = set()
    for found in list(server.pages(_Automation, "automations/filter", sort="UPDATED_DESC")):
        if not found.name.startswith(PREFIX):
            continue
        automation = wanted.get(found.name)
        if automation is None or found.name in seen:
            server.send("DELETE", f"automations/{found.id}")
        elif not _holds(found.model_dump(), automation):
            # Only if it differs: a changed automation forgets the runs it is tracking.
            server.send("PUT", f"automations/{found.id}", **automation)
        seen.add(found.name)
    for name in wanted.keys() - seen:
        server.send("POST", "automations/", **wanted[name])
    return list(wanted)


def ensure_automations(server: PrefectServer, settings: Settings) -> None:
    """Create those of this pipeline's automations that are missing.

    An existing one may be for another heartbeat interval, which this process must not change.
    """
    there = {found.name for found in server.pages(_Automation, "automations/filter")}
    for automation in _wanted(settings):
        if automation["name"] not in there:
            server.send("POST", "automations/", **automation)


def _holds(found: Any, wanted: Any) -> bool:
    """Whether the server's copy matches; the server adds fields such as ids, and stores names as sets."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_holds(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        if all(isinstance(value, str) for value in wanted):
            return set(found) == set(wanted)
        return all(map(_holds, found, wanted))
    return bool(found == wanted)


def _wanted(settings: Settings) -> tuple[dict[str, Any], ...]:
    silence = MISSED_HEARTBEATS * settings.heartbeat_seconds
    for_silent_runs = {
        "name": f"{PREFIX}mark silent runs as crashed",
        "description": f"A run that sent no heartbeat for {silence} s has died with its process or machine.",
        "enabled": True,
        "trigger": {
            "type": "event",
            "match": {"prefect.resource.id": "prefect.flow-run.*"},
            # A release that waits for a person is suspended and silent. The workers, which look at states, watch these.
            "match_related": {"prefect.resource.role": "flow", "prefect.resource.name": f"!{RELEASE}"},
            "after": [HEARTBEAT, RUNNING],
            "expect": [HEARTBEAT, *ENDS],
            "for_each": ["prefect.resource.id"],
            "posture": "Proactive",
            "threshold": 1,
            "within": silence,
        },
        "actions": [
            {
                "type": "change-flow-run-state",
                "state": "CRASHED",
                "name": "Crashed",
                "message": f"No heartbeat for {silence} s: its process died.",
                "force": False,
            }
        ],
    }
    for_arrivals = {
        "name": f"{PREFIX}start schedules whose data has arrived",
        "description": "`wgan listen` saw new objects where the schedule reads its data.",
        "enabled": True,
        "trigger": {
            "type": "event",
            "match": {"prefect.resource.id": "prefect.deployment.*"},
            "expect": [ARRIVED],
            "for_each": ["prefect.resource.id"],
            "posture": "Reactive",
            "threshold": 1,
            "within": 0,
        },
        "actions": [{"type": "run-deployment", "source": "inferred"}],
    }
    return (for_silent_runs, for_arrivals)
