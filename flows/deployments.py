"""Schedules as the Prefect server keeps them: one deployment each, on the work pool, its configuration a typed form."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
)
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, NoSchedule, RRuleSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.utilities.callables import parameter_schema_from_entrypoint
from pydantic import Field, ValidationError

from tasks.model_queue import RETRAIN
from wgan.config import RetrainConfig
from wgan.config_reading import changed_config
from wgan.errors import UsageError, WganError
from wgan.records import Record
from wgan.schedules import Clock, Schedule, make_schedule
from wgan.settings import Settings

TAG = "wgan-schedule"
"""On every deployment and run of a schedule: what the automations look for."""
HOUSEKEEPING = "housekeeping"
START_SECONDS = 600
"""A worker's run that has taken its turn must be running within this time, else the turn is the next one's."""
POOL_TYPE = "process"
CLOSED_TEMPLATE: dict[str, Any] = {
    "job_configuration": {"stream_output": True},  # Prefect takes an empty one for a missing one
    "variables": {"type": "object", "properties": {}, "additionalProperties": False},
}
STRATEGIES = {"enqueue": ConcurrencyLimitStrategy.ENQUEUE, "cancel": ConcurrencyLimitStrategy.CANCEL_NEW}
IN_WORDS = {"enqueue": "waits for its turn", "cancel": "is cancelled"}


class ScheduleEntry(Record):
    """A schedule as the server has it."""

    name: str
    model_name: str | None = Field(description="Registered model that it retrains; None for housekeeping.")
    when: tuple[str, ...] = Field(description="Each of its schedules in words, as the server has them now.")
    cron: str | None = Field(description="Of the first cron schedule; None where the Prefect UI was given others.")
    timezone: str | None
    work_pool: str | None = Field(description="Where its runs wait for a worker; None where the pool was deleted.")
    if_changed: bool
    paused: bool
    overlap: str = Field(description="What becomes of a run that is due while the one before is running.")
    next_run: datetime | None
    last_run: str | None = Field(description="State of the newest run that was due.")


def ensure_work_pool(settings: Settings) -> None:
    """Create the work pool of the workers, whose runs are processes, unless it is there; close one that is open.

    A closed pool has no variables: neither a deployment nor a run can name a command, an environment or a folder.
    """
    name = settings.work_pool
    with get_client(sync_client=True) as client:
        try:
            found = client.read_work_pool(name)
        except ObjectNotFound:
            with suppress(ObjectAlreadyExists):  # by another process, just now
                client.create_work_pool(WorkPoolCreate(name=name, type=POOL_TYPE, base_job_template=CLOSED_TEMPLATE))
            return
        if found.type == POOL_TYPE and found.base_job_template != CLOSED_TEMPLATE:
            client.update_work_pool(name, WorkPoolUpdate(base_job_template=CLOSED_TEMPLATE))


def add_schedule(schedule: Schedule, settings: Settings) -> None:
    """Create the schedule. Raises `UsageError` when its name is taken."""
    with get_client(sync_client=True) as client:
        if _find(client, schedule.name) is not None:
            raise UsageError(
                f"there is a schedule {schedule.name} already: remove it first (`wgan schedule remove "
                f"{schedule.name}`), or give this one another --name."
            )
        _put(client, RETRAIN, schedule.name, schedule, settings, **_retrain_values(schedule))


def put_schedule(schedule: Schedule, settings: Settings) -> bool:
    """Create the schedule or bring it up to date; returns whether anything changed."""
    with get_client(sync_client=True) as client:
        return _put(client, RETRAIN, schedule.name, schedule, settings, **_retrain_values(schedule))


def put_housekeeping(clock: Clock, settings: Settings) -> bool:
    """Create the housekeeping deployment or bring it up to date; returns whether anything changed."""
    with get_client(sync_client=True) as client:
        return _put(
            client,
            HOUSEKEEPING,
            HOUSEKEEPING,
            clock,
            settings,
            parameters={},
            tags=[TAG],
            paused=False,
            overlap="cancel",
            description="Clears away what nothing refers to any more. A run that is due while one runs is cancelled.",
        )


def edited_schedule(name: str, assignments: Sequence[str], **changes: Any) -> Schedule:
    """The schedule as the server has it, with what is given changed. Raises `UsageError`.

    `changes` are fields of `Schedule`; None leaves one as it is. A schedule that Prefect's page gave several times, or
    other times than a cron expression, needs `cron`.
    """
    with get_client(sync_client=True) as client:
        found = _require(client, name)
        entry = _entry(client, found)
    if name == HOUSEKEEPING:
        raise UsageError("housekeeping is edited in the file of schedules: `wgan schedule apply FILE`.")
    if not changes.get("cron") and (entry.cron is None or len(entry.when) > 1):
        raise UsageError(f"schedule {name} is due {' and '.join(entry.when)}: say --cron, which takes their place.")
    try:
        stored = RetrainConfig.model_validate(found.parameters.get("config"))
    except ValidationError:
        raise UsageError(
            f"the configuration of schedule {name} is none of this version's: remove the schedule and add it again."
        ) from None
    now = {
        "cron": entry.cron,
        "timezone": entry.timezone or "UTC",
        "if_changed": entry.if_changed,
        "promote": bool(found.parameters.get("promote", True)),
        "overlap": entry.overlap,
        "paused": entry.paused,
    }
    given = {field: value for field, value in changes.items() if value is not None}
    config = changed_config(stored, assignments).model_dump(mode="json")
    return make_schedule(name=name, config=config, **{**now, **given})


def read_schedule(name: str) -> ScheduleEntry:
    """One schedule. Raises `UsageError` naming those there are."""
    with get_client(sync_client=True) as client:
        return _entry(client, _require(client, name))


def list_schedules() -> list[ScheduleEntry]:
    """Every schedule, by name."""
    with get_client(sync_client=True) as client:
        return [_entry(client, found) for found in sorted(_all(client), key=lambda found: found.name)]


def pause_schedule(name: str, paused: bool) -> None:
    """Pause or resume a schedule. Raises `UsageError` naming those there are."""
    with get_client(sync_client=True) as client:
        found = _require(client, name)
        (client.pause_deployment if paused else client.resume_deployment)(found.id)


def run_schedule(name: str) -> UUID:
    """Have a worker run the schedule's job now; returns the flow run's id. Raises `UsageError`."""
    with get_client(sync_client=True) as client:
        found = _require(client, name)
        return client.create_flow_run_from_deployment(found.id, tags=found.tags).id


def remove_schedule(name: str) -> None:
    """Remove a schedule; its past runs stay. Raises `UsageError` naming those there are."""
    with get_client(sync_client=True) as client:
        client.delete_deployment(_require(client, name).id)


def _retrain_values(schedule: Schedule) -> dict[str, Any]:
    config = schedule.resolved()
    return {
        "parameters": {
            "config": config.model_dump(mode="json"),
            "promote": schedule.promote,
            "only_if_changed": schedule.if_changed,
        },
        "tags": [TAG, f"model:{config.model_name}"],
        "paused": schedule.paused,
        "overlap": schedule.overlap,
        "description": f"Retrains {config.model_name}{', only on new data' if schedule.if_changed else ''}. A run that "
        f"is due while the one before is running {IN_WORDS[schedule.overlap]}. Whichever way retrainings of one model "
        "are started, they follow each other.",
    }


def _put(
    client: SyncPrefectClient,
    flow: str,
    name: str,
    clock: Clock,
    settings: Settings,
    *,
    parameters: dict[str, Any],
    tags: list[str],
    paused: bool,
    overlap: str,
    description: str,
) -> bool:
    entrypoint = f"flows.{flow}.{flow}"
    try:
        cron = CronSchedule(cron=clock.cron, timezone=clock.timezone)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ").rstrip(".")
        raise UsageError(f"schedule {name}: cron={clock.cron!r} is not allowed: {reason}.") from None
    before = _find(client, name)
    if before is not None and before.entrypoint != entrypoint:
        raise WganError(f"the Prefect server has a deployment {flow}/{name} that is none of this pipeline's.")
    flow_id = client.create_flow_from_name(flow)
    client.create_deployment(
        flow_id=flow_id,
        name=name,
        entrypoint=entrypoint,
        path=".",
        work_pool_name=settings.work_pool,
        parameters=parameters,
        parameter_openapi_schema=parameter_schema_from_entrypoint(entrypoint).model_dump_for_openapi(),
        enforce_parameter_schema=True,
        schedules=[DeploymentScheduleCreate(schedule=cron, active=True)],
        concurrency_limit=1,
        concurrency_options=ConcurrencyOptions(
            collision_strategy=STRATEGIES[overlap], grace_period_seconds=START_SECONDS
        ),
        tags=tags,
        paused=paused,
        description=description,
    )
    after = _require(client, name)
    return before is None or _essence(before) != _essence(after)


def _essence(deployment: DeploymentResponse) -> dict[str, Any]:
    values = deployment.model_dump(
        include={"name", "entrypoint", "work_pool_name", "parameters", "concurrency_options", "tags", "paused"}
    )
    return {**values, "schedules": [entry.schedule.model_dump() for entry in deployment.schedules]}


def _all(client: SyncPrefectClient) -> list[DeploymentResponse]:
    """By their flows, and not by our tags, which anybody can edit on the server's page."""
    return client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=[RETRAIN, HOUSEKEEPING])))


def _find(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    flow = HOUSEKEEPING if name == HOUSEKEEPING else RETRAIN
    try:
        return client.read_deployment_by_name(f"{flow}/{name}")
    except ObjectNotFound:
        return None


def _require(client: SyncPrefectClient, name: str) -> DeploymentResponse:
    found = _find(client, name)
    if found is None:
        names = ", ".join(sorted(entry.name for entry in _all(client)))
        there = f"there are {names}" if names else "there is none yet, `wgan schedule add` makes one"
        raise UsageError(f"there is no schedule {name!r}: {there}.")
    return found


def clock_in_words(schedule: CronSchedule | IntervalSchedule | RRuleSchedule | NoSchedule, active: bool = True) -> str:
    """When it starts runs, with its zone."""
    if isinstance(schedule, CronSchedule):
        words = f"{schedule.cron} {schedule.timezone or 'UTC'}"
    elif isinstance(schedule, IntervalSchedule):
        anchor = schedule.anchor_date.strftime("%Y-%m-%d %H:%M")
        words = f"every {schedule.interval} from {anchor} {schedule.timezone or 'UTC'}"
    elif isinstance(schedule, RRuleSchedule):
        words = f"{' '.join(schedule.rrule.split())} {schedule.timezone or 'UTC'}"
    else:
        return "by hand only"
    return words if active else f"{words} (off)"


def _model_of(deployment: DeploymentResponse) -> str | None:
    """What it retrains by its parameters, which are what a run gets; a tag may say something else."""
    try:
        return RetrainConfig.model_validate(deployment.parameters.get("config")).model_name
    except ValidationError:
        return None


def _entry(client: SyncPrefectClient, deployment: DeploymentResponse) -> ScheduleEntry:
    clock = next((entry.schedule for entry in deployment.schedules if isinstance(entry.schedule, CronSchedule)), None)
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=200,
    )
    due = [run for run in runs if run.state and not run.state.is_scheduled()]
    coming = [run.next_scheduled_start_time for run in runs if run.state and run.state.is_scheduled()]
    options = deployment.concurrency_options
    enqueues = options is None or options.collision_strategy == ConcurrencyLimitStrategy.ENQUEUE
    return ScheduleEntry(
        name=deployment.name,
        model_name=_model_of(deployment),
        when=tuple(clock_in_words(entry.schedule, entry.active) for entry in deployment.schedules) or ("by hand only",),
        cron=clock.cron if clock else None,
        timezone=clock.timezone if clock else None,
        work_pool=deployment.work_pool_name,
        if_changed=bool(deployment.parameters.get("only_if_changed")),
        paused=deployment.paused,
        overlap="enqueue" if enqueues else "cancel",
        next_run=None if deployment.paused else min((time for time in coming if time), default=None),
        last_run=due[0].state_name if due else None,
    )
