"""A worker's Prefect machinery: one run in a process of its own, started without asking the server how."""

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
"""The name of the failed state of a run that no worker may run."""


class OwnJobConfiguration(ProcessJobConfiguration):
    """How a run is started, whatever its work pool, its deployment and itself say: with this worker's environment."""

    @classmethod
    async def from_template_and_values(
        cls, base_job_template: dict[str, Any], values: dict[str, Any], client: PrefectClient | None = None
    ) -> Self:
        """The configuration of every run."""
        return cls()


class OwnHooks:
    """What is done about a run whose process ended early; the flow's code is not loaded for that."""

    async def run_cancellation_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        """Its MLflow run no longer counts as running."""
        if state.is_cancelling():
            await asyncio.to_thread(end_run_as_killed, None, flow_run, state)

    async def run_crashed_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        """The same after a crash."""
        if state.is_crashed():
            await asyncio.to_thread(end_run_as_killed, None, flow_run, state)


with warnings.catch_warnings():  # a second class of the type `process` is what is wanted
    warnings.simplefilter("ignore", UserWarning)

    class PatientWorker(ProcessWorker):
        """Prefect's process worker, which runs this pipeline's flows and refuses everything else.

        It can stop taking runs while those under way come to their end. It also leaves a run for its next look while
        that run's last process is being cleared: a run that crashed is due again at once, and Prefect's own worker
        ends with an error when it still holds a place for it.
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
            """Run it to its end, in an empty folder, beginning at the entry point that was looked at.

            Prefect's engine does not ask for the deployment then, which may have been changed since. What runs the
            process reports a crash at once; a second report, which Prefect's worker would make after the hooks, could
            hit a run that another worker has taken up since.
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
