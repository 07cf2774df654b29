"""Serialises the retrainings of a model, however each was started.

There is no lock, so none can be left behind: a run waits for runs of its model that started earlier and still have
heartbeats. Runs are ordered by their start time on the server, so a crashed run that is restarted comes after one that
has started meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from pydantic import ValidationError

from tasks.connections import connect
from tasks.run_time import waiting
from wgan import progress
from wgan.config import RetrainConfig
from wgan.prefect_server.automations import MISSED_HEARTBEATS
from wgan.prefect_server.names import RETRAIN

POLL_SECONDS = 2.0


def wait_in_queue(model_name: str) -> None:
    """Block until no earlier retraining of the model is in progress; reports which one it waits for."""
    settings, _ = connect()
    silence = timedelta(seconds=MISSED_HEARTBEATS * settings.heartbeat_seconds)
    announced: set[str] = set()
    while True:
        with get_client(sync_client=True) as client:
            earlier = next(_earlier(client, str(runtime.flow_run.id), model_name, silence), None)
        if earlier is None:
            return
        if str(earlier.id) not in announced:
            announced.add(str(earlier.id))
            progress.announce("retraining", f"waits for another retraining of {model_name}, flow run {earlier.id}")
        with waiting():
            time.sleep(POLL_SECONDS)


def _earlier(client: SyncPrefectClient, own_id: str, model_name: str, silence: timedelta) -> Iterator[FlowRun]:
    running = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[RETRAIN])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
        ),
    )
    own = next((run for run in running if str(run.id) == own_id), None)
    for other in running:
        before = own is not None and _began(other) < _began(own)
        if before and _model(other) == model_name and is_alive(client, other, silence):
            yield other


def _began(run: FlowRun) -> tuple[datetime, str]:
    return (run.state.timestamp if run.state else datetime.max.replace(tzinfo=UTC)), str(run.id)


def _model(run: FlowRun) -> str | None:
    try:
        return RetrainConfig.model_validate(run.parameters.get("config") or {}).model_name
    except ValidationError:
        return None


def is_alive(client: SyncPrefectClient, run: FlowRun, silence: timedelta) -> bool:
    """Whether the run started or sent a heartbeat within `silence`; else its process is dead."""
    since = datetime.now(UTC) - silence
    if _began(run)[0] > since:
        return True
    events = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run.id}"]},
        "occurred": {"since": since.isoformat(), "until": (datetime.now(UTC) + silence).isoformat()},
    }
    answer = client.request("POST", "/events/filter", json={"filter": events, "limit": 1})
    return bool(answer.json()["events"])
