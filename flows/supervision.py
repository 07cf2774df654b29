"""Every worker supervises scheduled runs: crashed ones are restarted, silent ones are marked as crashed.

The server's automation also detects silent runs, and earlier. But it acts on events, which Prefect on SQLite can lose
under load ("database is locked", Prefect#18934); polling the states loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed, Scheduled

from tasks.model_queue import is_alive
from tasks.restarts import MOST_STARTS
from wgan.prefect_server.automations import MISSED_HEARTBEATS
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.names import DECISIONS, FLOWS, TAG
from wgan.prefect_server.release_runs import end_expired_waits
from wgan.settings import Settings

SETTLED_SECONDS = 5.0
"""Minimum age of a crash before it is handled: its reporter may still add details."""
SILENT_HEARTBEATS = 2
"""How long a run must be silent while the server answers: after a server outage all runs are silent."""


def supervise_runs(settings: Settings, silent: dict[UUID, float], say: Callable[[str], None]) -> None:
    """Check once; reports what it did. A run that crashed too often is left alone.

    `silent`: monotonic time since which each silent run has been seen; kept between calls.
    """
    silence = timedelta(seconds=MISSED_HEARTBEATS * settings.heartbeat_seconds)
    now = time.monotonic()
    with get_client(sync_client=True) as client:
        quiet = [run for run in _running(client) if not is_alive(client, run, silence)]
        for heard in set(silent) - {run.id for run in quiet}:
            del silent[heard]
        for run in quiet:
            if now - silent.setdefault(run.id, now) >= SILENT_HEARTBEATS * settings.heartbeat_seconds:
                message = f"No heartbeat for {silence.seconds} s: its process died."
                client.set_flow_run_state(run.id, Crashed(message=message))
                say(f"Flow run {run.id} sent no heartbeat for {silence.seconds} s and is marked as crashed.")
        for run in _crashed(client):
            if _may_start_again(client, run):
                message = "The run crashed and is restarted."
                client.set_flow_run_state(run.id, Scheduled(name="AwaitingRetry", message=message))
                say(f"Flow run {run.id} crashed and is restarted.")
    with PrefectServer(settings) as server:
        for name in end_expired_waits(server, datetime.now(UTC)):
            say(f"The time limit of the approval of {name} is over.")


def _running(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of this pipeline, including those started in a terminal."""
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[*FLOWS, *DECISIONS])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
        ),
    )


def _crashed(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of schedules; only these are restarted."""
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED])),
        )
    )


def _may_start_again(client: SyncPrefectClient, run: FlowRun) -> bool:
    now = client.read_flow_run(run.id).state  # another worker may have been faster
    if now is None or not now.is_crashed() or run.deployment_id is None:
        return False
    if datetime.now(UTC) - now.timestamp < timedelta(seconds=SETTLED_SECONDS):
        return False
    crashes = [state for state in client.read_flow_run_states(run.id) if state.is_crashed()]
    return len(crashes) <= MOST_STARTS
