"""Which runs the Prefect server's automation marks as crashed when they fall silent, by Prefect's own rules."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent

from wgan.prefect_server.automations import HEARTBEAT, RUNNING, _wanted
from wgan.prefect_server.names import FLOWS, RELEASE
from wgan.settings import Settings


def event(name: str, flow: str) -> ReceivedEvent:
    """As Prefect sends it, with the run's flow and tags."""
    related = [
        {
            "prefect.resource.id": f"prefect.flow.{uuid4()}",
            "prefect.resource.role": "flow",
            "prefect.resource.name": flow,
        },
        {"prefect.resource.id": "prefect.tag.wgan-schedule", "prefect.resource.role": "tag"},
    ]
    return ReceivedEvent.model_validate(
        {
            "occurred": datetime.now(UTC), "id": uuid4(), "event": name, "related": related,
            "resource": {"prefect.resource.id": f"prefect.flow-run.{uuid4()}"},
        }
    )  # fmt: skip


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("name", [RUNNING, HEARTBEAT])
def test_every_run_is_watched_but_those_that_may_wait_for_a_person(flow: str, name: str) -> None:
    automation, _ = _wanted(Settings(_env_file=None))
    trigger = EventTrigger.model_validate(automation["trigger"])
    assert trigger.covers(event(name, flow)) == (flow != RELEASE)
