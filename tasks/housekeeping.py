"""Housekeeping: one task per rule. None is retried or cached: the next sweep starts over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import ParamSpec, TypeVar
from uuid import UUID

import httpx
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import objects
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.tasks import Task
from pydantic import ValidationError

from tasks.connections import connect
from tasks.registry import record_outside_move
from wgan.config import DataConfig
from wgan.errors import WganError
from wgan.housekeeping.caches import expire_cached_datasets, expire_downloads
from wgan.housekeeping.checkpoints import expire_checkpoints
from wgan.housekeeping.datasets import expire_datasets
from wgan.housekeeping.evaluation import expire_evaluation
from wgan.housekeeping.local_training import expire_local_training, remove_abandoned_scratch
from wgan.housekeeping.references import FINISHED, FlowRun
from wgan.housekeeping.report import HousekeepingReport, RuleReport, markdown
from wgan.housekeeping.results import expire_counts, expire_results
from wgan.housekeeping.survey import Survey, backup_under_way, survey
from wgan.housekeeping.uploads import abort_abandoned_uploads
from wgan.registry.listing import list_models

PAGE = 200
"""Prefect's maximum page size."""
STEP = 100
"""Pages overlap, because a run that ends between two requests shifts the others, and none may be missed."""
STUDY_DATA = ("mnist", "digits")

P = ParamSpec("P")
R = TypeVar("R")


def _rule(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    return task(name=name, cache_policy=NO_CACHE, persist_result=False)


@_rule("aliases")
def record_outside_moves(dry_run: bool) -> None:
    """Record champions that were moved outside this pipeline, or put them back; a dry run changes nothing."""
    settings, storage = connect()
    for model in [] if dry_run else list_models(settings):
        try:
            record_outside_move(model.name, settings, storage)
        except WganError as error:
            get_run_logger().warning("Whether the champion of %s was moved is not known: %s", model.name, error)


@_rule("survey")
def take_survey(dry_run: bool) -> Survey:
    """Check the clocks and collect references; fails if MLflow, Prefect or the store does not answer."""
    settings, storage = connect()
    storage.ensure_bucket()
    return survey(settings, storage, read_flow_runs, dry_run=dry_run)


@_rule("check for a backup")
def find_backup(around: Survey) -> str | None:
    """Why nothing may be removed now; None if removal is allowed."""
    return backup_under_way(around.storage, around.now)


@_rule("expire checkpoints")
def sweep_checkpoints(around: Survey) -> RuleReport:
    """Checkpoints of finished runs."""
    return expire_checkpoints(around)


@_rule("expire data sets")
def sweep_datasets(around: Survey) -> RuleReport:
    """Unreferenced data sets."""
    return expire_datasets(around)


@_rule("expire evaluation caches")
def sweep_evaluation(around: Survey, datasets: RuleReport) -> RuleReport:
    """What evaluations store for deleted data sets."""
    return expire_evaluation(around, datasets)


@_rule("expire task results")
def sweep_results(around: Survey) -> RuleReport:
    """Results of finished runs."""
    return expire_results(around)


@_rule("expire counts of canaries")
def sweep_counts(around: Survey) -> RuleReport:
    """Counts of canaries and watches whose runs have finished."""
    return expire_counts(around)


@_rule("abort uploads")
def sweep_uploads(around: Survey) -> RuleReport:
    """Abandoned multipart uploads."""
    return abort_abandoned_uploads(around)


@_rule("clean this machine's cache")
def sweep_this_machine(around: Survey) -> tuple[RuleReport, ...]:
    """Copies of data sets, downloads, training folders and scratch folders of the machine this runs on."""
    return (
        expire_cached_datasets(around),
        expire_downloads(around),
        expire_local_training(around),
        remove_abandoned_scratch(around),
    )


@_rule("publish housekeeping")
def publish_housekeeping(
    around: Survey, rules: tuple[RuleReport, ...] = (), stopped: str | None = None
) -> HousekeepingReport:
    """Build the report, and publish it as a Prefect artifact."""
    report = HousekeepingReport(time=around.now, dry_run=around.dry_run, stopped=stopped, rules=rules)
    create_markdown_artifact(markdown=markdown(report), key="housekeeping-report", description="Housekeeping")
    return report


def read_flow_runs(flow_run_ids: Collection[str]) -> tuple[FlowRun, ...]:
    """All unfinished flow runs, and those with the given ids that Prefect knows. Raises `WganError` in one sentence."""
    try:
        with get_client(sync_client=True) as client:
            # Given ids last: if a run has ended in between, the newer state counts.
            found = {run.id: run for run in _unfinished(client)} | {run.id: run for run in _asked(client, flow_run_ids)}
            names = {flow_id: client.read_flow(flow_id).name for flow_id in {run.flow_id for run in found.values()}}
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WganError(
            f"the Prefect server does not say which flow runs there are ({reason}): start the embedded stack with "
            "`wgan up`, or set WGAN_PREFECT_API_URL."
        ) from None
    return tuple(_flow_run(run, names[run.flow_id]) for run in found.values())


def _unfinished(client: SyncPrefectClient) -> Iterator[objects.FlowRun]:
    types = [kind for kind in objects.StateType if kind.value not in FINISHED]
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)))
    offset = 0
    while True:
        page = client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, limit=PAGE, offset=offset)
        yield from page
        if len(page) < PAGE:
            return
        offset += STEP


def _asked(client: SyncPrefectClient, flow_run_ids: Collection[str]) -> Iterator[objects.FlowRun]:
    ids = [UUID(flow_run_id) for flow_run_id in flow_run_ids]
    for start in range(0, len(ids), PAGE):
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=ids[start : start + PAGE]))
        yield from client.read_flow_runs(flow_run_filter=wanted, limit=PAGE)


def _flow_run(run: objects.FlowRun, flow: str) -> FlowRun:
    created = run.created or run.expected_start_time
    since = run.state.timestamp if run.state else created
    assert since is not None, "the server dates every run"
    return FlowRun(
        id=str(run.id),
        flow=flow,
        state=run.state.type.value if run.state else "PENDING",
        since=since,
        started=run.start_time,
        ended=run.end_time,
        data_names=_data_names(flow, run.parameters),
    )


def _data_names(flow: str, parameters: dict[str, object]) -> tuple[str, ...] | None:
    """A promotion reads the data of registered versions; a retraining that of its configuration."""
    if flow == "study":
        return STUDY_DATA
    if flow != "retrain":
        return ()
    config = parameters.get("config")
    try:
        return (DataConfig.model_validate(config["data"] if isinstance(config, dict) else None).dataset_name,)
    except (KeyError, ValidationError):
        return None
