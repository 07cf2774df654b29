"""Restarts of workers' runs: the server restarts those that end early, a limited number of times."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    TaskRunFilter,
    TaskRunFilterFlowRunId,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Crashed

from wgan.errors import Interrupted, WganError

MOST_STARTS = 20
"""Maximum starts of one flow run: a run that crashes its machine must stop eventually."""


def started_by_worker() -> bool:
    """Whether a worker started this process for a flow run."""
    return "PREFECT__FLOW_RUN_ID" in os.environ


def stop_after_many_starts() -> None:
    """Raise `WganError` if workers have started this flow run too often."""
    if started_by_worker() and runtime.flow_run.run_count > MOST_STARTS:
        raise WganError(
            f"this run was started {MOST_STARTS} times and died each time, so it is not started again; its log says "
            f"where, and `wgan retrain --resume {runtime.flow_run.id}` resumes it."
        )


def end_tasks_of_dead_processes() -> None:
    """Mark the running tasks of an earlier, dead process of this flow run as crashed.

    Otherwise they would count as running forever. A flow run has one process at a time, and this one has started no
    task yet.
    """
    if runtime.flow_run.run_count < 2:
        return
    unfinished = _own_tasks([StateType.RUNNING, StateType.PENDING])
    with get_client(sync_client=True) as client:
        for run in client.read_task_runs(task_run_filter=unfinished):
            message = "Its process died; the flow run continues in another one."
            client.set_task_run_state(run.id, Crashed(message=message), force=True)


def end_tasks_early(name: str, message: str) -> None:
    """Mark the running tasks of this process as cancelled, with the state name and reason of its flow run.

    Prefect would count them as failed or crashed.
    """
    ended = [StateType.RUNNING, StateType.PENDING, StateType.FAILED, StateType.CRASHED]
    with get_client(sync_client=True) as client:
        for run in client.read_task_runs(task_run_filter=_own_tasks(ended)):
            if run.flow_run_run_count == runtime.flow_run.run_count:
                client.set_task_run_state(run.id, Cancelled(name=name, message=message), force=True)


def _own_tasks(states: list[StateType]) -> TaskRunFilter:
    return TaskRunFilter(
        flow_run_id=TaskRunFilterFlowRunId(any_=[UUID(str(runtime.flow_run.id))]),
        state=TaskRunFilterState(type=TaskRunFilterStateType(any_=states)),
    )


@contextmanager
def interrupted_as_crashed() -> Iterator[None]:
    """Make an interruption of a worker's run count as a crash, after which the server restarts it.

    A stopping worker forwards SIGTERM; a cancellation arrives the same way and stays a cancellation, since Prefect
    distinguishes the two.
    """
    try:
        yield
    except Interrupted:
        if started_by_worker():
            raise TerminationSignal(signal.SIGTERM) from None
        raise
