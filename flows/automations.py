"""What the Prefect server does by itself: mark silent runs as crashed, tell a webhook what happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.server.schemas.states import StateType
from prefect.types import SecretDict
from pydantic import SecretStr

from flows.endings import NAMES as COMPLETED
from tasks.events import PROMOTED, REFUSED
from tasks.model_queue import MISSED_HEARTBEATS
from wgan.settings import Settings

PREFIX = "wgan: "
"""Before the names of this pipeline's automations; those of other names are left alone."""
WEBHOOK_BLOCK = "wgan-notify"
FLOW_RUNS = ResourceSpecification.model_validate({"prefect.resource.id": "prefect.flow-run.*"})
MODELS = ResourceSpecification.model_validate({"prefect.resource.id": "wgan.model.*"})
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = {f"prefect.flow-run.{state}" for state in (*COMPLETED, "Failed", "Cancelled", "Crashed")}

FLOW_RUN_PAYLOAD = """{"event": {{ event.event | tojson }}, "what": {{ ("flow run " ~ flow_run.name) | tojson }},
 "state": {{ flow_run.state.name | tojson }}, "reason": {{ (flow_run.state.message or "") | tojson }},
 "flow_run_id": {{ (flow_run.id | string) | tojson }}, "time": {{ (event.occurred | string) | tojson }}}"""
MODEL_PAYLOAD = """{"event": {{ event.event | tojson }}, "what": {{ event.payload.what | tojson }},
 "state": {{ event.payload.action | tojson }}, "reason": {{ event.payload.reason | tojson }},
 "flow_run_id": {{ (event.payload.flow_run_id or "") | tojson }}, "time": {{ (event.occurred | string) | tojson }}}"""


def put_automations(settings: Settings) -> list[str]:
    """Create this pipeline's automations or bring them up to date, and remove what is no longer one; their names."""
    with get_client(sync_client=True) as client:
        wanted = [*_for_silent_runs(settings), *_for_notifications(settings)]
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
            after={HEARTBEAT},
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


def _for_notifications(settings: Settings) -> Iterator[AutomationCore]:
    if settings.notify_url is None:
        return
    block = Webhook(
        method="POST",
        url=SecretStr(settings.notify_url.get_secret_value()),
        headers=SecretDict({"Content-Type": "application/json"}),
    )
    block_id = block.save(WEBHOOK_BLOCK, overwrite=True)
    for what, match, event, payload in (
        ("failed", FLOW_RUNS, "prefect.flow-run.Failed", FLOW_RUN_PAYLOAD),
        ("crashed", FLOW_RUNS, "prefect.flow-run.Crashed", FLOW_RUN_PAYLOAD),
        ("refused by the gate", MODELS, REFUSED, MODEL_PAYLOAD),
        ("promoted", MODELS, PROMOTED, MODEL_PAYLOAD),
    ):
        yield AutomationCore(
            name=f"{PREFIX}tell of what was {what}" if match is MODELS else f"{PREFIX}tell of runs that {what}",
            description="Posts to the webhook of WGAN_NOTIFY_URL.",
            trigger=EventTrigger(
                match=match, expect={event}, for_each={"prefect.resource.id"}, posture=Posture.Reactive, threshold=1
            ),
            actions=[CallWebhook(block_document_id=block_id, payload=payload)],
        )
