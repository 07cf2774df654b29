"""Prefect's part of the front page: the newest retrainings of each model, and its schedules.

Only Prefect's filters are asked, which change nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from wgan.addresses import THIS_MACHINE
from wgan.config import DataConfig, registered_name
from wgan.errors import WganError
from wgan.guard import basic_token
from wgan.mlflow_server import reason_of
from wgan.serving.overview_records import Retraining, ScheduleFacts
from wgan.settings import Settings

RETRAIN = "retrain"
NEWEST_RUNS = 60
MOST_SCHEDULES = 100
CONNECT_SECONDS, SECONDS = 3.0, 10.0
MOST_BYTES = 2**23
"""Maximum bytes of an answer; a run comes with its configuration, a few kilobytes."""
RUNNING = "RUNNING"
FULL = 100.0
"""Percent."""
NOT_SCHEDULED = {"state": {"type": {"not_any_": ["SCHEDULED"]}}}
THIS_FLOW = {"name": {"any_": [RETRAIN]}}
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class PipelineNews:
    """Retrainings and schedules by model."""

    retrainings: dict[str, tuple[Retraining, ...]] = field(default_factory=dict)
    schedules: dict[str, tuple[ScheduleFacts, ...]] = field(default_factory=dict)


class _State(BaseModel):
    message: str | None = None


class _Run(BaseModel):
    id: str
    name: str
    deployment_id: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    state_type: str | None = None
    state_name: str | None = None
    state: _State | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    next_scheduled_start_time: datetime | None = None


class _Clock(BaseModel):
    schedule: dict[str, Any] = Field(default_factory=dict)
    active: bool = True


class _Deployment(BaseModel):
    id: str
    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    paused: bool = False
    schedules: list[_Clock] = Field(default_factory=list)


class _Artifact(BaseModel):
    flow_run_id: str | None = None
    description: str | None = None
    data: float | None = None


async def read_pipeline(settings: Settings) -> PipelineNews:
    """Ask Prefect for the newest runs and the schedules. Raises `WganError` if it does not answer in time."""
    where = settings.prefect_api_url.rstrip("/")
    here = urlsplit(where).hostname in THIS_MACHINE
    login = settings.prefect_auth_string
    headers = {"Authorization": f"Basic {basic_token(login.get_secret_value())}"} if login else {}
    timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS)
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(base_url=where, headers=headers, timeout=timeout, trust_env=not here) as client,
        ):
            runs = await _ask(
                client,
                "flow_runs/filter",
                _Run,
                flows=THIS_FLOW,
                flow_runs=NOT_SCHEDULED,
                sort="START_TIME_DESC",
                limit=NEWEST_RUNS,
            )
            deployments = await _ask(
                client, "deployments/filter", _Deployment, flows=THIS_FLOW, sort="NAME_ASC", limit=MOST_SCHEDULES
            )
            coming = await _coming(client, [each.id for each in deployments])
            progress = await _progress(client, [run.id for run in runs if run.state_type == RUNNING])
    except TimeoutError:
        raise WganError(f"the server at {where} did not answer within {SECONDS:g} s.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WganError(f"the server at {where} does not answer ({reason_of(error)}).") from None
    page = settings.prefect_page
    return PipelineNews(
        _by_model((_model_of(run.parameters), _retraining(run, progress, page)) for run in runs),
        _by_model((_model_of(each.parameters), _schedule(each, coming, page)) for each in deployments),
    )


async def _ask(client: httpx.AsyncClient, route: str, kind: type[Kind], **wanted: Any) -> list[Kind]:
    body = bytearray()
    async with client.stream("POST", f"/{route}", json=wanted) as answer:
        async for block in answer.aiter_bytes():
            body += block
            if len(body) > MOST_BYTES:
                raise WganError(f"the answer to {route} has more than {MOST_BYTES} bytes.")
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise WganError("the server asks this process for a login: set WGAN_PREFECT_AUTH_STRING.")
    if not answer.is_success:
        raise WganError(f"the server refuses {route} (status {answer.status_code}).")
    try:  # in a thread: the event loop draws meanwhile
        return await asyncio.to_thread(TypeAdapter(list[kind]).validate_json, bytes(body))  # type: ignore[valid-type]
    except ValidationError:
        raise WganError(f"the answer to {route} is not that of a supported Prefect server.") from None


async def _coming(client: httpx.AsyncClient, deployments: list[str]) -> dict[str, datetime]:
    """Deployment → when its next run is due."""
    if not deployments:
        return {}
    due = await _ask(
        client,
        "flow_runs/filter",
        _Run,
        flow_runs={"deployment_id": {"any_": deployments}, "state": {"type": {"any_": ["SCHEDULED"]}}},
        sort="NEXT_SCHEDULED_START_TIME_ASC",
        limit=NEWEST_RUNS,
    )
    found: dict[str, datetime] = {}
    for run in due:
        if run.deployment_id and run.next_scheduled_start_time:
            found.setdefault(run.deployment_id, run.next_scheduled_start_time)
    return found


async def _progress(client: httpx.AsyncClient, runs: list[str]) -> dict[str, str]:
    """Running flow run → the text of its newest progress artifact. A full one belongs to a finished step."""
    if not runs:
        return {}
    wanted = {"flow_run_id": {"any_": runs}, "type": {"any_": ["progress"]}}
    found: dict[str, _Artifact] = {}
    for artifact in await _ask(
        client, "artifacts/filter", _Artifact, artifacts=wanted, sort="CREATED_DESC", limit=NEWEST_RUNS
    ):
        if artifact.flow_run_id:
            found.setdefault(artifact.flow_run_id, artifact)
    return {run: each.description or "" for run, each in found.items() if (each.data or 0) < FULL}


def _model_of(parameters: dict[str, Any]) -> str | None:
    """The registered model of a run's configuration; None for one that is not valid in this version."""
    config = parameters.get("config")
    try:
        return registered_name(DataConfig.model_validate(config.get("data") or {}).dataset_name) if config else None
    except (ValidationError, AttributeError):
        return None


def _retraining(run: _Run, progress: dict[str, str], page: str) -> Retraining:
    message = progress.get(run.id) or (run.state.message if run.state else None) or ""
    return Retraining(
        name=run.name,
        state=run.state_name or "?",
        message=" ".join(message.split()),
        began=run.start_time,
        ended=run.end_time,
        page=f"{page}/runs/flow-run/{run.id}",
    )


def _schedule(deployment: _Deployment, coming: dict[str, datetime], page: str) -> ScheduleFacts:
    return ScheduleFacts(
        name=deployment.name,
        when=", ".join(_when(clock) for clock in deployment.schedules if clock.active) or "on demand only",
        paused=deployment.paused,
        next_run=None if deployment.paused else coming.get(deployment.id),
        page=f"{page}/deployments/deployment/{deployment.id}",
    )


def _when(clock: _Clock) -> str:
    timing = clock.schedule
    if "cron" in timing:
        return f"{timing['cron']} {timing.get('timezone') or 'UTC'}"
    if "interval" in timing:
        return f"every {timing['interval']} s"
    return str(timing.get("rrule", "?"))


def _by_model(pairs: Iterable[tuple[str | None, Kind]]) -> dict[str, tuple[Kind, ...]]:
    found: dict[str, tuple[Kind, ...]] = {}
    for model, each in pairs:
        if model is not None:
            found[model] = (*found.get(model, ()), each)
    return found
