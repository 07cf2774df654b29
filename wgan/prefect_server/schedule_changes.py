"""Creates, edits, pauses, runs and removes schedules on the Prefect server: deployments with a typed parameter form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
from pydantic import ValidationError

from wgan.config import RetrainConfig
from wgan.config_reading import changed_config
from wgan.errors import UsageError, WganError
from wgan.prefect_server.client import PrefectServer, Rejected
from wgan.prefect_server.deployments import Created, entrypoint_of, put_deployment
from wgan.prefect_server.names import HOUSEKEEPING, RETRAIN, TAG
from wgan.prefect_server.schedule_listing import entry_of
from wgan.prefect_server.stored_deployments import STRATEGIES, find_deployment, require_deployment
from wgan.schedules import Clock, Schedule, make_schedule

START_SECONDS = 600
"""Seconds within which a run that was granted its slot must be running; else the next one gets it."""
IN_WORDS = {"enqueue": "waits", "cancel": "is cancelled"}


def require_new_name(server: PrefectServer, name: str) -> None:
    """Raise `UsageError` if a schedule of that name exists."""
    if find_deployment(server, name) is not None:
        raise UsageError(
            f"schedule {name} already exists: remove it first (`wgan schedule remove {name}`), or give this one "
            "another --name."
        )


def put_schedule(server: PrefectServer, schedule: Schedule, work_pool: str) -> bool:
    """Create or update the schedule; returns whether anything changed. Raises `UsageError`."""
    config = schedule.resolved()
    condition = f", {schedule.condition}" if schedule.condition else ""
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
            "min_new": schedule.min_new,
            "only_if_drifted": schedule.if_drifted,
        },
        tags=[TAG, f"model:{config.model_name}"],
        paused=schedule.paused,
        overlap=schedule.overlap,
        description=f"Retrains {config.model_name}{condition}. A run that is due while the one before is running "
        f"{IN_WORDS[schedule.overlap]}. Retrainings of one model follow each other, however they are started.",
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
    found = require_deployment(server, name)
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
        "min_new": entry.min_new,
        "if_drifted": entry.if_drifted,
        "promote": bool(found.parameters.get("promote", True)),
        "overlap": entry.overlap,
        "paused": entry.paused,
    }
    given = {field: value for field, value in changes.items() if value is not None}
    if given.get("if_changed") is False:  # --always
        given = {"min_new": None, "if_drifted": False, **given}
    config = changed_config(stored, assignments).model_dump(mode="json")
    return make_schedule(name=name, config=config, **{**now, **given})


def pause_schedule(server: PrefectServer, name: str, paused: bool) -> None:
    """Pause or resume a schedule. Raises `UsageError` listing the existing ones."""
    server.send("PATCH", f"deployments/{require_deployment(server, name).id}", paused=paused)


def run_schedule(server: PrefectServer, name: str) -> str:
    """Have a worker run the schedule's job now; returns the flow run's id. Raises `UsageError`."""
    found = require_deployment(server, name)
    route = f"deployments/{found.id}/create_flow_run"
    return server.ask(Created, "POST", route, state={"type": "SCHEDULED", "name": "Scheduled"}, tags=found.tags).id


def remove_schedule(server: PrefectServer, name: str) -> None:
    """Remove a schedule; its past runs stay. Raises `UsageError` listing the existing ones."""
    server.send("DELETE", f"deployments/{require_deployment(server, name).id}")


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
    before = find_deployment(server, name)
    if before is not None and before.entrypoint != entrypoint_of(flow):
        raise WganError(f"the Prefect server has a deployment {flow}/{name} that is not this pipeline's.")
    cron = {"cron": clock.cron, "timezone": clock.timezone, "day_or": True}
    try:
        put_deployment(
            server,
            flow,
            name,
            work_pool,
            description=description,
            parameters=parameters,
            tags=tags,
            paused=paused,
            schedules=[{"schedule": cron, "active": True}],
            concurrency_limit=1,
            concurrency_options={
                "collision_strategy": STRATEGIES[overlap],
                "grace_period_seconds": START_SECONDS,
            },
        )
    except Rejected as error:
        if error.status == httpx.codes.UNPROCESSABLE_ENTITY and (reason := _cron_error(error)):
            raise UsageError(f"schedule {name}: cron={clock.cron!r} is not allowed: {reason}.") from None
        raise
    return before != require_deployment(server, name)


def _cron_error(error: Rejected) -> str | None:
    """The server's error about a cron expression; None if the error is another."""
    for fault in error.faults:
        if fault.get("type") == "value_error" and "cron" in fault.get("loc", ()):
            return str(fault.get("msg")).removeprefix("Value error, ").rstrip(".")
    return None
