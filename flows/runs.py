"""A worker's Prefect machinery: runs each flow run in its own process, without the server's instructions."""

from __future__ import annotations

import asyncio
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import anyio
from anyio.abc import TaskStatus
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.exceptions import ObjectNotFound
from prefect.runner._flow_run_executor import FlowRunExecutorContext
from prefect.runner._process_manager import ProcessHandle
from prefect.runner._starter_engine import EngineCommandStarter
from prefect.states import Failed
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from flows.permitted import reason_to_refuse
from tasks.report import end_run_as_killed

FORBIDDEN = "Forbidden"
"""Name of the failed state of a run that workers must not execute."""


class OwnJobConfiguration(ProcessJobConfiguration):
    """Starts every run with this worker's environment, ignoring its work pool, its deployment and its own settings."""

    @classmethod
    async def from_template_and_values(
        cls, base_job_template: dict[str, Any], values: dict[str, Any], client: PrefectClient | None = None
    ) -> Self:
        """The configuration of every run."""
        return cls()


class OwnHooks:
    """Handles a run whose process ended early, without loading the flow's code."""

    async def run_cancellation_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        """End its MLflow run."""
        if state.is_cancelling():
            await asyncio.to_thread(end_run_as_killed, None, flow_run, state)

    async def run_crashed_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        """The same after a crash."""
        if state.is_crashed():
            await asyncio.to_thread(end_run_as_killed, None, flow_run, state)


with warnings.catch_warnings():  # a second class of the type `process` is intended
    warnings.simplefilter("ignore", UserWarning)

    class PipelineWorker(ProcessWorker):
        """Prefect's process worker, which runs this pipeline's flows and refuses everything else.

        It can stop taking runs while those in progress finish. It also defers a run to the next poll while that run's
        last process is being cleaned up: a crashed run is due again at once, and Prefect's own worker fails if it still
        holds a slot for it.
        """

        job_configuration = OwnJobConfiguration
        taking = True

        def __init__(self, pool: str, name: str, limit: int, say: Callable[[str], None]) -> None:
            super().__init__(work_pool_name=pool, name=name, limit=limit, create_pool_if_not_found=False)
            self._say = say
            self._entry_points: dict[UUID, str] = {}

        async def run(
            self,
            flow_run: FlowRun,
            configuration: ProcessJobConfiguration,
            task_status: TaskStatus[int] | None = None,
        ) -> ProcessWorkerResult:
            """Run it to the end, in an empty folder, from the entry point that was checked.

            Prefect's engine then does not read the deployment, which may have changed since. The process runner reports
            a crash at once; a second report, which Prefect's worker would send after the hooks, could hit a run that
            another worker has resumed since.
            """
            entry_point = self._entry_points.pop(flow_run.id)
            with tempfile.TemporaryDirectory(suffix="prefect") as folder:
                async with FlowRunExecutorContext() as context:
                    starter = EngineCommandStarter(
                        entrypoint=entry_point,
                        cwd=Path(folder).resolve(),
                        env=configuration.env,
                        control_channel=context.control_channel,
                        isolate_process_group=True,
                        env_overrides_settings=True,
                    )
                    executor = context.create_executor(
                        flow_run, starter, propose_submitting=False, hook_runner=OwnHooks()
                    )

                    async def execute(*, task_status: TaskStatus[ProcessHandle]) -> None:
                        await executor.submit(task_status=task_status)

                    async with anyio.create_task_group() as group:
                        handle: ProcessHandle = await group.start(execute)
                        if task_status is not None:
                            task_status.started(handle.pid or 0)
            return ProcessWorkerResult(status_code=0, identifier=str(handle.pid))

        async def _submit_scheduled_flow_runs(self, flow_run_response: list[WorkerFlowRunResponse]) -> list[FlowRun]:
            held = self._limiter.statistics().borrowers if self._limiter else ()
            ready = [entry for entry in flow_run_response if self.taking and entry.flow_run.id not in held]
            return await super()._submit_scheduled_flow_runs(ready)

        async def _submit_run(self, flow_run: FlowRun) -> None:
            try:
                deployment = (
                    await self.client.read_deployment(flow_run.deployment_id) if flow_run.deployment_id else None
                )
            except ObjectNotFound:
                deployment = None
            reason = reason_to_refuse(flow_run, deployment)
            if reason is None and deployment is not None and deployment.entrypoint is not None:
                self._entry_points[flow_run.id] = deployment.entrypoint
                await super()._submit_run(flow_run)
                return
            try:
                await self.client.set_flow_run_state(flow_run.id, Failed(name=FORBIDDEN, message=reason), force=True)
                self._say(f"Flow run {flow_run.id}: {reason}")
            finally:
                self._release_limit_slot(flow_run.id)
                self._submitting_flow_run_ids.remove(flow_run.id)
                if self._cancelling_observer is not None:
                    self._cancelling_observer.remove_in_flight_flow_run_id(flow_run.id)
