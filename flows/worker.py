"""A worker: takes due runs from the pool and runs each in a process of its own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from wgan.errors import UsageError
from wgan.settings import Settings

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
PAUSE_SECONDS = 10.0


def run_worker(settings: Settings, name: str, limit: int, say: Callable[[str], None]) -> None:
    """Work until SIGTERM or Ctrl-C; runs under way are then told to stop, save a checkpoint and go on elsewhere.

    Raises `UsageError` when there is no such pool.
    """
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(settings.work_pool)
        except ObjectNotFound:
            pools = ", ".join(pool.name for pool in client.read_work_pools()) or "none"
            raise UsageError(
                f"there is no work pool {settings.work_pool!r} (there are: {pools}): `wgan schedule apply` makes it."
            ) from None
    asyncio.run(_work(settings, name, limit, say))


class PatientWorker(ProcessWorker):
    """Prefect's process worker, which leaves a run for its next look while that run's last process is being cleared.

    A run that crashed is due again at once; Prefect's own worker ends with an error when it meets such a run before it
    has given back the place that the run holds.
    """

    async def _submit_scheduled_flow_runs(self, flow_run_response: list[WorkerFlowRunResponse]) -> list[FlowRun]:
        held = self._limiter.statistics().borrowers if self._limiter else ()
        ready = [entry for entry in flow_run_response if entry.flow_run.id not in held]
        return await super()._submit_scheduled_flow_runs(ready)


async def _work(settings: Settings, name: str, limit: int, say: Callable[[str], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    say(f"Worker {name} takes runs from pool {settings.work_pool}; Ctrl-C stops it.")
    while not stopping.is_set():
        worker = PatientWorker(
            work_pool_name=settings.work_pool, name=name, limit=limit, create_pool_if_not_found=False
        )
        working = asyncio.create_task(worker.start(printer=lambda *_: None))
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, told):
            task.cancel()
        outcome, _ = await asyncio.gather(working, told, return_exceptions=True)
        if isinstance(outcome, Exception) and not stopping.is_set():
            # The server was away for longer than Prefect's worker has patience.
            say(f"Worker {name} lost the Prefect server ({_first_line(outcome)}) and tries again.")
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), PAUSE_SECONDS)
    say(f"Worker {name} has stopped.")


def _first_line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
