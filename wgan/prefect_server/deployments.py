"""Schedules on the Prefect server: one deployment each, on the work pool, with a typed parameter form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import httpx
from pydantic import Field, ValidationError

from wgan.config import RetrainConfig
from wgan.config_reading import changed_config
from wgan.errors import UsageError, WganError
from wgan.prefect_server.client import PAGE, Answer, NotTaken, PrefectServer
from wgan.prefect_server.forms import form_of
from wgan.prefect_server.names import HOUSEKEEPING, RETRAIN, TAG
from wgan.records import Record
from wgan.schedules import Clock, Schedule, make_schedule

FLOWS = (RETRAIN, HOUSEKEEPING)
START_SECONDS = 600
"""Seconds within which a run that was granted its slot must be running; else the next one gets it."""
STRATEGIES = {"enqueue": "ENQUEUE", "cancel": "CANCEL_NEW"}
IN_WORDS = {"enqueue": "waits", "cancel": "is cancelled"}


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


class _Made(Answer):
    id: str


class ScheduleEntry(Record):
    """A schedule on the server."""

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
        paused=deployment.paused,
        overlap="enqueue" if options.collision_strategy == STRATEGIES["enqueue"] else "cancel",
        next_run=None if deployment.paused else min((time for time in coming if time), default=None),
        last_run=due[0].state_name if due else None,
    )


def require_new_name(server: PrefectServer, name: str) -> None:
    """Raise `UsageError` if a schedule of that name exists."""
    if _find(server, name) is not None:
        raise UsageError(
            f"schedule {name} already exists: remove it first (`wgan schedule remove {name}`), or give this one "
            "another --name."
        )


def put_schedule(server: PrefectServer, schedule: Schedule, work_pool: str) -> bool:
    """Create or update the schedule; returns whether anything changed. Raises `UsageError`."""
    config = schedule.resolved()
    return _put(
        server,
        RETRAIN,
        schedule.name,
        schedule,
        work_pool,
        parameters={
            "config": config.model_dump(mode="json"),
            "promote": schedule.promote,
            "only_if_changed": schedule.if_changed,
        },
        tags=[TAG, f"model:{config.model_name}"],
        paused=schedule.paused,
        overlap=schedule.overlap,
        description=f"Retrains {config.model_name}{', only on new data' if schedule.if_changed else ''}. A run that "
        f"is due while the one before is running {IN_WORDS[schedule.overlap]}. Retrainings of one model "
        "follow each other, however they are started.",
    )


def put_housekeeping(server: PrefectServer, clock: Clock, work_pool: str) -> bool:
    """Create or update the housekeeping deployment; returns whether anything changed."""
    return _put(
        server,
        HOUSEKEEPING,
        HOUSEKEEPING,
        clock,
        work_pool,
        parameters={},
        tags=[TAG],
        paused=False,
        overlap="cancel",
        description="Removes what is no longer referred to. A run that is due while one runs is cancelled.",
    )


def edited_schedule(server: PrefectServer, name: str, assignments: Sequence[str], **changes: Any) -> Schedule:
    """The server's schedule with the given changes applied. Raises `UsageError`.

    `changes` are fields of `Schedule`; None leaves a field unchanged. A schedule that was given several clocks on
    Prefect's page, or one that is not a cron expression, needs `cron`.
    """
    found = _require(server, name)
    entry = entry_of(found, [])
    if name == HOUSEKEEPING:
        raise UsageError("housekeeping is edited in the file of schedules: `wgan schedule apply FILE`.")
    if not changes.get("cron") and (entry.cron is None or len(entry.when) > 1):
        raise UsageError(f"schedule {name} is due {' and '.join(entry.when)}: give --cron, which replaces them.")
    try:
        stored = RetrainConfig.model_validate(found.parameters.get("config"))
    except ValidationError:
        raise UsageError(
            f"the configuration of schedule {name} is not valid in this version: remove the schedule and add it again."
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


def read_schedule(server: PrefectServer, name: str) -> ScheduleEntry:
    """One schedule. Raises `UsageError` listing the existing ones."""
    found = _require(server, name)
    return entry_of(found, _newest_runs(server, [found]))


def list_schedules(server: PrefectServer) -> list[ScheduleEntry]:
    """Every schedule, by name."""
    deployments = sorted(_all(server), key=lambda found: found.name)
    together = _newest_runs(server, deployments) if deployments else []
    if len(together) < PAGE:
        return [entry_of(found, together) for found in deployments]
    # A frequent schedule's runs may have filled the page.
    return [entry_of(found, _newest_runs(server, [found])) for found in deployments]


def schedule_names(server: PrefectServer) -> list[str]:
    """The sorted names of all schedules."""
    return sorted(found.name for found in _all(server))


def pause_schedule(server: PrefectServer, name: str, paused: bool) -> None:
    """Pause or resume a schedule. Raises `UsageError` listing the existing ones."""
    server.tell("PATCH", f"deployments/{_require(server, name).id}", paused=paused)


def run_schedule(server: PrefectServer, name: str) -> str:
    """Have a worker run the schedule's job now; returns the flow run's id. Raises `UsageError`."""
    found = _require(server, name)
    route = f"deployments/{found.id}/create_flow_run"
    return server.ask(_Made, "POST", route, state={"type": "SCHEDULED", "name": "Scheduled"}, tags=found.tags).id


def remove_schedule(server: PrefectServer, name: str) -> None:
    """Remove a schedule; its past runs stay. Raises `UsageError` listing the existing ones."""
    server.tell("DELETE", f"deployments/{_require(server, name).id}")


def _put(
    server: PrefectServer,
    flow: str,
    name: str,
    clock: Clock,
    work_pool: str,
    *,
    parameters: dict[str, Any],
    tags: list[str],
    paused: bool,
    overlap: str,
    description: str,
) -> bool:
    entrypoint = f"flows.{flow}.{flow}"
    before = _find(server, name)
    if before is not None and before.entrypoint != entrypoint:
        raise WganError(f"the Prefect server has a deployment {flow}/{name} that is not this pipeline's.")
    flow_id = server.ask(_Made, "POST", "flows/", name=flow).id
    cron = {"cron": clock.cron, "timezone": clock.timezone, "day_or": True}
    try:
        # None and empty values too: they replace edits made on Prefect's page.
        server.tell(
            "POST",
            "deployments/",
            name=name,
            flow_id=flow_id,
            entrypoint=entrypoint,
            path=".",
            work_pool_name=work_pool,
            work_queue_name=None,
            parameters=parameters,
            parameter_openapi_schema=form_of(flow),
            enforce_parameter_schema=True,
            schedules=[{"schedule": cron, "active": True}],
            concurrency_limit=1,
            concurrency_options={
                "collision_strategy": STRATEGIES[overlap],
                "grace_period_seconds": START_SECONDS,
            },
            tags=tags,
            labels={},
            paused=paused,
            description=description,
            version=None,
            job_variables={},
            storage_document_id=None,
            infrastructure_document_id=None,
        )
    except NotTaken as error:
        if error.status == httpx.codes.UNPROCESSABLE_ENTITY and (reason := _fault_of_cron(error)):
            raise UsageError(f"schedule {name}: cron={clock.cron!r} is not allowed: {reason}.") from None
        raise
    return before != _require(server, name)


def _fault_of_cron(error: NotTaken) -> str | None:
    """The server's error about a cron expression; None if the error is another."""
    for fault in error.faults:
        if fault.get("type") == "value_error" and "cron" in fault.get("loc", ()):
            return str(fault.get("msg")).removeprefix("Value error, ").rstrip(".")
    return None


def _all(server: PrefectServer) -> list[Deployment]:
    """Found by flow rather than by our tags, which anybody can edit on the server's page."""
    return list(server.pages(Deployment, "deployments/filter", flows={"name": {"any_": FLOWS}}, sort="NAME_ASC"))


def _find(server: PrefectServer, name: str) -> Deployment | None:
    flow = HOUSEKEEPING if name == HOUSEKEEPING else RETRAIN
    return server.find(Deployment, f"deployments/name/{flow}/{quote(name, safe='', errors='replace')}")


def _require(server: PrefectServer, name: str) -> Deployment:
    found = _find(server, name)
    if found is None:
        names = ", ".join(schedule_names(server))
        there = f"there are {names}" if names else "there is none yet, `wgan schedule add` creates one"
        raise UsageError(f"there is no schedule {name!r}: {there}.")
    return found


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


def _model_of(deployment: Deployment) -> str | None:
    """The model by its parameters, which are what a run gets; a tag may differ."""
    try:
        return RetrainConfig.model_validate(deployment.parameters.get("config")).model_name
    except ValidationError:
        return None
