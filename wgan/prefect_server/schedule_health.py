"""Whether schedules are kept: which run is due and has not begun, and when one last succeeded."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from wgan.prefect_server.client import PAGE, Answer, PrefectServer
from wgan.prefect_server.stored_deployments import all_deployments
from wgan.records import Record


class ScheduleHealth(Record):
    """One schedule."""

    name: str
    due_since: datetime | None = Field(description="When the oldest run was due that has not begun; None: none waits.")
    last_success: datetime | None = Field(description="End of the newest completed run; None: there is none.")


class _Run(Answer):
    deployment_id: str | None = None
    next_scheduled_start_time: datetime | None = None
    end_time: datetime | None = None


def schedule_health(server: PrefectServer, now: datetime) -> list[ScheduleHealth]:
    """Every schedule that is not paused, by name. Raises `WganError`."""
    schedules = [found for found in all_deployments(server) if not found.paused]
    if not schedules:
        return []
    ids = {"deployment_id": {"any_": [found.id for found in schedules]}}
    waiting = {"state": {"type": {"any_": ["SCHEDULED"]}}, "next_scheduled_start_time": {"before_": now.isoformat()}}
    due, done = dict[str, datetime](), dict[str, datetime]()
    for run in server.ask(
        list[_Run],
        "POST",
        "flow_runs/filter",
        flow_runs={**ids, **waiting},
        sort="NEXT_SCHEDULED_START_TIME_ASC",
        limit=PAGE,
    ):
        if run.deployment_id and run.next_scheduled_start_time:
            due.setdefault(run.deployment_id, run.next_scheduled_start_time)
    completed = {**ids, "state": {"type": {"any_": ["COMPLETED"]}}}
    for run in server.ask(
        list[_Run], "POST", "flow_runs/filter", flow_runs=completed, sort="END_TIME_DESC", limit=PAGE
    ):
        if run.deployment_id and run.end_time:
            done.setdefault(run.deployment_id, run.end_time)
    return [
        ScheduleHealth(name=found.name, due_since=due.get(found.id), last_success=done.get(found.id))
        for found in sorted(schedules, key=lambda found: found.name)
    ]
