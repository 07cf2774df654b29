"""Lists the schedules of a Prefect server: when each runs, what it retrains, its last and next run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field, ValidationError

from wgan.amounts import is_amount
from wgan.config import RetrainConfig
from wgan.prefect_server.client import PAGE, PrefectServer
from wgan.prefect_server.stored_deployments import (
    STRATEGIES,
    CronClock,
    Deployment,
    FlowRun,
    NoClock,
    Overlap,
    all_deployments,
    require_deployment,
)
from wgan.records import Record
from wgan.schedules import condition


class ScheduleEntry(Record):
    """A schedule on the server."""

    name: str
    model_name: str | None = Field(description="Registered model that it retrains; None for housekeeping.")
    when: tuple[str, ...] = Field(description="Each of its schedules in words, as the server has them now.")
    cron: str | None = Field(description="Of the first cron schedule; None where the Prefect UI was given others.")
    timezone: str | None
    work_pool: str | None = Field(description="Where its runs wait for a worker; None where the pool was deleted.")
    if_changed: bool
    min_new: str | None = Field(description="Images that must be new, at least: a number or a share.")
    if_drifted: bool
    paused: bool
    overlap: str = Field(description="What becomes of a run that is due while the one before is running.")
    next_run: datetime | None
    last_run: str | None = Field(description="State of the newest run that was due.")

    @property
    def condition(self) -> str | None:
        """When a run trains, as the rest of a sentence; None: always."""
        return condition(self.if_changed, self.min_new, self.if_drifted)


def entry_of(deployment: Deployment, newest_runs: Sequence[FlowRun]) -> ScheduleEntry:
    """The schedule of a deployment; `newest_runs` may include those of other deployments."""
    clock = next((entry.schedule for entry in deployment.schedules if isinstance(entry.schedule, CronClock)), None)
    runs = [run for run in newest_runs if run.deployment_id == deployment.id and run.state_type]
    due = [run for run in runs if run.state_type != "SCHEDULED"]
    coming = [run.next_scheduled_start_time for run in runs if run.state_type == "SCHEDULED"]
    options = deployment.concurrency_options or Overlap()
    return ScheduleEntry(
        name=deployment.name,
        model_name=_model_of(deployment),
        when=tuple(map(str, deployment.schedules)) or (str(NoClock()),),
        cron=clock.cron if clock else None,
        timezone=clock.timezone if clock else None,
        work_pool=deployment.work_pool_name,
        if_changed=bool(deployment.parameters.get("only_if_changed")),
        min_new=_amount_of(deployment),
        if_drifted=bool(deployment.parameters.get("only_if_drifted")),
        paused=deployment.paused,
        overlap="enqueue" if options.collision_strategy == STRATEGIES["enqueue"] else "cancel",
        next_run=None if deployment.paused else min((time for time in coming if time), default=None),
        last_run=due[0].state_name if due else None,
    )


def read_schedule(server: PrefectServer, name: str) -> ScheduleEntry:
    """One schedule. Raises `UsageError` listing the existing ones."""
    found = require_deployment(server, name)
    return entry_of(found, _newest_runs(server, [found]))


def list_schedules(server: PrefectServer) -> list[ScheduleEntry]:
    """Every schedule, by name."""
    deployments = sorted(all_deployments(server), key=lambda found: found.name)
    together = _newest_runs(server, deployments) if deployments else []
    if len(together) < PAGE:
        return [entry_of(found, together) for found in deployments]
    # A frequent schedule's runs may have filled the page.
    return [entry_of(found, _newest_runs(server, [found])) for found in deployments]


def _newest_runs(server: PrefectServer, deployments: Sequence[Deployment]) -> list[FlowRun]:
    """At most one page of them, those due last first."""
    return server.ask(
        list[FlowRun],
        "POST",
        "flow_runs/filter",
        flow_runs={"deployment_id": {"any_": [found.id for found in deployments]}},
        sort="EXPECTED_START_TIME_DESC",
        limit=PAGE,
    )


def _amount_of(deployment: Deployment) -> str | None:
    """What the Prefect UI may have been given instead of an amount is left out."""
    amount = deployment.parameters.get("min_new")
    return amount if isinstance(amount, str) and is_amount(amount) else None


def _model_of(deployment: Deployment) -> str | None:
    """The model by its parameters, which are what a run gets; a tag may differ."""
    try:
        return RetrainConfig.model_validate(deployment.parameters.get("config")).model_name
    except ValidationError:
        return None
