"""Prepares a Prefect server for flows, and resumes earlier flow runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow
from prefect.flows import Flow
from prefect.states import Scheduled

from tasks.results import save_result_storage
from wgan.errors import WganError
from wgan.prefect_server.automations import ensure_automations
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.gpu_slots import ensure_gpu_slots
from wgan.settings import Settings


def prepare_server(settings: Settings) -> None:
    """Configure the server's result storage, its training slots, and its automation for silent runs.

    Repeated calls are harmless.
    """
    save_result_storage()
    with PrefectServer(settings) as server:
        ensure_automations(server, settings)
        ensure_gpu_slots(server, settings.gpu_slots)


def resume(flow: Flow[..., Any], flow_run_id: UUID) -> Any:
    """Resume an earlier flow run of the flow in this process; its completed tasks are not repeated.

    Raises `WganError` if there is no such flow run, or if it has completed.
    """
    with get_client(sync_client=True) as client:
        try:
            flow_run = client.read_flow_run(flow_run_id)
        except ObjectNotFound:
            raise WganError(
                f"the Prefect server has no flow run {flow_run_id}; `wgan runs` lists the existing ones."
            ) from None
        if flow_run.state is not None and flow_run.state.is_completed():
            raise WganError(f"flow run {flow_run_id} has completed; there is nothing to resume.")
        client.set_flow_run_state(flow_run_id, Scheduled(name="AwaitingRetry"), force=True)
        flow_run = client.read_flow_run(flow_run_id)
    return run_flow(flow, flow_run=flow_run, parameters=flow_run.parameters)
