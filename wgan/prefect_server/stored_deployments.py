"""Schedules as the Prefect server stores them: one deployment each, with its timings and options."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from wgan.errors import UsageError
from wgan.prefect_server.client import Answer, PrefectServer
from wgan.prefect_server.names import HOUSEKEEPING, RETRAIN, SCHEDULED

STRATEGIES = {"enqueue": "ENQUEUE", "cancel": "CANCEL_NEW"}
"""What happens to a run that is due while another one is running, in a declaration → in Prefect."""


class CronClock(Answer):
    """A cron expression."""

    cron: str
    timezone: str | None = None
    day_or: bool = True

    def __str__(self) -> str:
        return f"{self.cron} {self.timezone or 'UTC'}"


class IntervalClock(Answer):
    """A fixed interval."""

    interval: timedelta
    anchor_date: datetime
    timezone: str | None = None

    def __str__(self) -> str:
        return f"every {self.interval} from {self.anchor_date:%Y-%m-%d %H:%M} {self.timezone or 'UTC'}"


class RuleClock(Answer):
    """An iCalendar recurrence rule."""

    rrule: str
    timezone: str | None = None

    def __str__(self) -> str:
        return f"{' '.join(self.rrule.split())} {self.timezone or 'UTC'}"


class NoClock(Answer):
    """Runs only on demand."""

    def __str__(self) -> str:
        return "on demand only"


class DeploymentClock(Answer):
    """One of a deployment's clocks."""

    schedule: Annotated[CronClock | IntervalClock | RuleClock | NoClock, Field(union_mode="left_to_right")]
    active: bool = True

    def __str__(self) -> str:
        """When it starts runs, with its time zone."""
        on = self.active or isinstance(self.schedule, NoClock)
        return str(self.schedule) if on else f"{self.schedule} (off)"


class Overlap(Answer):
    """What happens to a run that is due while another one is running."""

    collision_strategy: str = "ENQUEUE"
    grace_period_seconds: int | None = None


class Deployment(Answer):
    """The server's data of a schedule."""

    id: str
    name: str
    entrypoint: str | None = None
    work_pool_name: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    concurrency_options: Overlap | None = None
    tags: tuple[str, ...] = ()
    paused: bool = False
    schedules: tuple[DeploymentClock, ...] = ()


class FlowRun(Answer):
    """The server's data of a run."""

    deployment_id: str | None = None
    state_type: str | None = None
    state_name: str | None = None
    next_scheduled_start_time: datetime | None = None


def all_deployments(server: PrefectServer) -> list[Deployment]:
    """Every schedule's deployment, found by flow: anybody can edit our tags on the server's page."""
    return list(server.pages(Deployment, "deployments/filter", flows={"name": {"any_": SCHEDULED}}, sort="NAME_ASC"))


def find_deployment(server: PrefectServer, name: str) -> Deployment | None:
    """The deployment of a schedule; None if there is none of that name."""
    flow = HOUSEKEEPING if name == HOUSEKEEPING else RETRAIN
    return server.find(Deployment, f"deployments/name/{flow}/{quote(name, safe='', errors='replace')}")


def require_deployment(server: PrefectServer, name: str) -> Deployment:
    """The deployment of a schedule. Raises `UsageError` listing the existing ones."""
    found = find_deployment(server, name)
    if found is None:
        names = ", ".join(schedule_names(server))
        there = f"there are {names}" if names else "there is none yet, `wgan schedule add` creates one"
        raise UsageError(f"there is no schedule {name!r}: {there}.")
    return found


def schedule_names(server: PrefectServer) -> list[str]:
    """The sorted names of all schedules."""
    return sorted(found.name for found in all_deployments(server))
