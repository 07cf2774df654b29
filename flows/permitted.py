"""Restricts workers to this pipeline's own flows, without anything the Prefect server could add to them."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse

from wgan.prefect_server.names import FLOWS

ENTRY_POINTS = frozenset(f"flows.{name}.{name}" for name in FLOWS)
OWN_PATHS = (None, "", ".")


def reason_to_refuse(flow_run: FlowRun, deployment: DeploymentResponse | None) -> str | None:
    """Why a worker refuses to run it, as one sentence for its state; None for a run of this pipeline."""
    fault = _fault(flow_run, deployment)
    if fault is None:
        return None
    return f"The worker refused this run because {fault}; it runs only {', '.join(sorted(ENTRY_POINTS))}."


def _fault(flow_run: FlowRun, deployment: DeploymentResponse | None) -> str | None:
    if deployment is None:
        return "it belongs to no deployment"
    if deployment.pull_steps:
        return "its deployment has pull steps"
    if deployment.entrypoint not in ENTRY_POINTS:
        return f"its deployment's entry point is {_shown(deployment.entrypoint)}"
    if deployment.storage_document_id is not None or deployment.path not in OWN_PATHS:
        return "its deployment names a location to fetch code from"
    variables = sorted({**(deployment.job_variables or {}), **(flow_run.job_variables or {})})
    if variables:
        return f"it sets job variables ({_shown(', '.join(variables))})"
    return None


def _shown(value: Any) -> str:
    """The value as text without terminal control characters."""
    return ascii(value)[:100]
