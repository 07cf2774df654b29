"""Deployments that people start from Prefect's page: promote, roll back, evaluate, compare and others.

Each has a typed form. They have no clock; a worker runs them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic import Field

from wgan.config import DataConfig
from wgan.prefect_server.client import Answer, PrefectServer
from wgan.prefect_server.deployments import entrypoint_of, put_deployment
from wgan.prefect_server.forms import form_of
from wgan.prefect_server.names import BACKUP, COMPARE, EVALUATE, PREPARE_DATA, PROMOTE, ROLLBACK, STUDY, TAG


@dataclass(frozen=True)
class OnDemand:
    """One of them."""

    flow: str
    name: str
    """As Prefect's page shows it."""
    description: str
    parameters: dict[str, Any] = field(default_factory=dict)
    """What its form starts with, beside the defaults."""
    restarted: bool = True
    """Whether workers restart a crashed run."""


DEPLOYMENTS = (
    OnDemand(
        PROMOTE,
        "promote",
        "Measures a version and the champion side by side, applies the gate, and promotes the version if it passes. "
        "With *dry_run* it changes nothing. The decision, with all numbers and both sample grids, is an artifact of "
        "the run.",
    ),
    OnDemand(
        ROLLBACK,
        "roll back",
        "Makes the previous champion, or another version, the champion again. Serving follows within seconds.",
    ),
    OnDemand(
        EVALUATE,
        "evaluate",
        "Measures one version beside real held-out images and an untrained generator. The metrics are an artifact of "
        "the run. Changes nothing.",
    ),
    OnDemand(
        COMPARE,
        "compare",
        "Measures two versions side by side and says what the gate would decide. The report is an artifact of the "
        "run; the whole of it, with nearest training images and curves, is in MLflow. Changes nothing.",
    ),
    OnDemand(
        PREPARE_DATA,
        "prepare data",
        "Downloads, checks and prepares a data set, or finds it prepared. What was left out, and why, is an artifact "
        "of the run.",
        parameters={"data": DataConfig().model_dump(mode="json")},
    ),
    OnDemand(
        STUDY,
        "study",
        "Tests the claims of the Wasserstein GAN paper by experiment. The report is an artifact of the run.",
    ),
    OnDemand(
        BACKUP,
        "back up",
        "Saves both databases, the bucket and the ledger while everything runs, into the folder WGAN_BACKUPS_DIR of "
        "the worker's machine, which must be able to reach the databases.",
        restarted=False,  # its own run is in the backup, and would start again after a restore
    ),
)


class _Stored(Answer):
    id: str = ""
    entrypoint: str | None = None
    work_pool_name: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    parameter_openapi_schema: dict[str, Any] | None = None
    enforce_parameter_schema: bool = True
    description: str | None = None
    tags: tuple[str, ...] = ()
    paused: bool = False


def put_on_demand(server: PrefectServer, work_pool: str) -> tuple[str, ...]:
    """Create the deployments, or update those that differ; returns the names of these."""
    return tuple(wanted.name for wanted in DEPLOYMENTS if put_if_changed(server, wanted, work_pool)[1])


def put_if_changed(server: PrefectServer, wanted: OnDemand, work_pool: str) -> tuple[str, bool]:
    """Create the deployment, or update it if it differs; returns its id, and whether it was written."""
    values = _Stored(
        entrypoint=entrypoint_of(wanted.flow),
        work_pool_name=work_pool,
        parameters=wanted.parameters,
        parameter_openapi_schema=form_of(wanted.flow),
        description=f"{wanted.description} A worker (`wgan worker`) runs it.",
        tags=(TAG,) if wanted.restarted else (),
    )
    stored = server.find(_Stored, f"deployments/name/{wanted.flow}/{quote(wanted.name, safe='')}")
    if stored is not None and stored.model_copy(update={"id": ""}) == values:
        return stored.id, False
    written = put_deployment(
        server,
        wanted.flow,
        wanted.name,
        work_pool,
        description=values.description or "",
        parameters=values.parameters,
        tags=list(values.tags),
    )
    return written, True
