"""Which failures are worth another try: those of servers and networks, not those of configuration, data or numbers."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from wgan.errors import CheckpointError, DataError, GateRefused, TrainingDiverged, UsageError
from wgan.interruption import Interrupted

FINAL = (UsageError, DataError, CheckpointError, TrainingDiverged, GateRefused, Interrupted)

RETRIES = 3
RETRY_DELAYS = [2.0, 10.0, 30.0]
"""Seconds before each retry."""


def worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Prefect's `retry_condition_fn`: false for failures that would come again."""
    return not isinstance(state.result(raise_on_failure=False), FINAL)
