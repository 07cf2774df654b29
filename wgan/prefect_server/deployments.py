"""Puts a deployment of one of this pipeline's flows on the Prefect server."""

from __future__ import annotations

from typing import Any

from wgan.prefect_server.client import Answer, PrefectServer
from wgan.prefect_server.forms import form_of


class Created(Answer):
    """What the server says about something it has just created, or had."""

    id: str


def put_deployment(
    server: PrefectServer,
    flow: str,
    name: str,
    work_pool: str,
    *,
    description: str,
    parameters: dict[str, Any],
    tags: list[str],
    **more: Any,
) -> str:
    """Create the deployment, or replace all of it; returns its id.

    `more` are further fields of Prefect's, such as its clocks. Raises `Rejected`, `WganError`.
    """
    # None and empty values too: they replace edits made on Prefect's page.
    values: dict[str, Any] = {
        "path": ".",
        "work_queue_name": None,
        "schedules": [],
        "concurrency_limit": None,
        "labels": {},
        "paused": False,
        "version": None,
        "job_variables": {},
        "storage_document_id": None,
        "infrastructure_document_id": None,
        **more,
    }
    return server.ask(
        Created,
        "POST",
        "deployments/",
        name=name,
        flow_id=server.ask(Created, "POST", "flows/", name=flow).id,
        entrypoint=entrypoint_of(flow),
        work_pool_name=work_pool,
        parameters=parameters,
        parameter_openapi_schema=form_of(flow),
        enforce_parameter_schema=True,
        tags=tags,
        description=description,
        **values,
    ).id


def entrypoint_of(flow: str) -> str:
    """Where a worker finds the flow."""
    return f"flows.{flow}.{flow}"
