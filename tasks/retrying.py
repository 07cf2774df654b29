"""Chooses the failures to retry: those of servers and networks, not those of configuration, data or numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task
from prefect.utilities.annotations import NotSet

from wgan.errors import (
    AccessRefused,
    CheckpointError,
    DataError,
    ForeignVersion,
    GateRefused,
    Interrupted,
    Overtaken,
    TrainingDiverged,
    UsageError,
)

FINAL = (
    UsageError,
    AccessRefused,
    DataError,
    CheckpointError,
    ForeignVersion,
    TrainingDiverged,
    GateRefused,
    Interrupted,
    Overtaken,
)

RETRY_DELAYS = [2.0, 10.0, 30.0]
"""Seconds before each retry."""

P = ParamSpec("P")
R = TypeVar("R")


def worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Prefect's `retry_condition_fn`: false for permanent failures."""
    return not isinstance(state.result(raise_on_failure=False), FINAL)


def retried_task(
    name: str, tags: set[str] | None = None, repeatable: bool = False
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A Prefect task that is retried, a few seconds apart, after transient failures.

    A `repeatable` one runs on every call: what it reads may have changed since an earlier one of the same flow run.
    """
    return task(
        name=name,
        cache_policy=NO_CACHE if repeatable else NotSet,
        tags=tags,
        retries=len(RETRY_DELAYS),
        retry_delay_seconds=RETRY_DELAYS,
        retry_condition_fn=worth_retrying,
    )
