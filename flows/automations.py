"""What the Prefect server does by itself: mark silent runs as crashed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from prefect.client.orchestration import get_client
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.server.schemas.states import StateType

from flows.endings import CANCELLED_NAMES, NAMES
from tasks.model_queue import MISSED_HEARTBEATS
from wgan.settings import Settings

PREFIX = "wgan: "
"""Before the names of this pipeline's automations; those of other names are left alone."""
FLOW_RUNS = ResourceSpecification.model_validate({"prefect.resource.id": "prefect.flow-run.*"})
HEARTBEAT = "prefect.flow-run.heartbeat"
RUNNING = "prefect.flow-run.Running"
"""A run can die before its first heartbeat."""
ENDS = {f"prefect.flow-run.{state}" for state in (*NAMES, *CANCELLED_NAMES, "Failed", "Crashed")}


def put_automations(settings: Settings) -> list[str]:
    """Create this pipeline's automations or bring them up to date, and remove what is no longer one; their names."""
    with get_client(sync_client=True) as client:
        wanted = list(_for_silent_runs(settings))
        for automation in wanted:
            found = client.read_automations_by_name(automation.name)
            if not found:
                client.create_automation(automation)
            elif _essence(found[0]) != _essence(automation):
                # Only then: a changed automation forgets the runs that it is waiting to hear from.
                client.update_automation(found[0].id, automation)
            for double in found[1:]:
                client.delete_automation(double.id)
        names = {automation.name for automation in wanted}
        for other in client.read_automations():
            if other.name.startswith(PREFIX) and other.name not in names:
                client.delete_automation(other.id)
        return [automation.name for automation in wanted]


def ensure_automations(settings: Settings) -> None:
    """Create those of this pipeline's automations that are missing.

    One that is there may be for runs with heartbeats of another rhythm: that is not this process's to change.
    """
    with get_client(sync_client=True) as client:
        for automation in _for_silent_runs(settings):
            if not client.read_automations_by_name(automation.name):
                client.create_automation(automation)


def _essence(automation: AutomationCore) -> dict[str, Any]:
    fields = {"description", "trigger", "actions", "enabled"}
    return AutomationCore.model_validate(automation.model_dump()).model_dump(include=fields)


def _for_silent_runs(settings: Settings) -> Iterator[AutomationCore]:
    silence = MISSED_HEARTBEATS * settings.heartbeat_seconds
    yield AutomationCore(
        name=f"{PREFIX}mark silent runs as crashed",
        description=f"A run that gave no sign of life for {silence} s has died with its process or machine.",
        trigger=EventTrigger(
            match=FLOW_RUNS,
            after={HEARTBEAT, RUNNING},
            expect={HEARTBEAT, *ENDS},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=silence),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name="Crashed", message=f"No sign of life for {silence} s: its process died."
            )
        ],
    )
