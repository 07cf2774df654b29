"""A worker: takes due runs from the pool and runs each in its own process."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from uuid import UUID

import psutil
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from flows.notifications import Notifier
from flows.runs import PipelineWorker
from flows.supervision import supervise_runs
from flows.worker_metrics import WorkerMetrics
from wgan.durations import counted
from wgan.errors import UsageError
from wgan.settings import Settings

logger = logging.getLogger(__name__)
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
PAUSE_SECONDS = 10.0
WATCH_SECONDS = 10.0
REPORTED_FAILURES = 6
"""Consecutive failed checks, about a minute's worth, that are logged."""
GRACE_SECONDS = 120.0
"""Seconds a run gets to stop: a training finishes its step and uploads a checkpoint."""


Check = Callable[[], None]
"""What a worker does every ten seconds beside its runs."""


def run_worker(
    settings: Settings, name: str, limit: int, say: Callable[[str], None], metrics: str | None = None
) -> None:
    """Work until SIGTERM or Ctrl-C; runs in progress then save a checkpoint, stop, and resume elsewhere.

    `metrics` is the address for Prometheus, host:port. Raises `UsageError` if there is no such pool, or if that address
    or one of WGAN_NOTIFY_URL is wrong.
    """
    checks: list[Check] = [Notifier(settings, say).send_new]
    if metrics is not None:
        checks.append(partial(WorkerMetrics(metrics).update, settings))
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(settings.work_pool)
        except ObjectNotFound:
            pools = ", ".join(pool.name for pool in client.read_work_pools()) or "none"
            raise UsageError(
                f"there is no work pool {settings.work_pool!r} (there are: {pools}): `wgan schedule apply` creates it."
            ) from None
    asyncio.run(_work(settings, name, limit, checks, say))


async def _work(settings: Settings, name: str, limit: int, checks: Sequence[Check], say: Callable[[str], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    say(f"Worker {name} takes runs from pool {settings.work_pool}; Ctrl-C stops it.")
    while not stopping.is_set():
        worker = PipelineWorker(settings.work_pool, name, limit, say)
        working = asyncio.create_task(worker.start(printer=lambda *_: None))
        stop_requested = asyncio.create_task(stopping.wait())
        watching = asyncio.create_task(_watch(settings, checks, say))
        await asyncio.wait({working, stop_requested}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            worker.taking = False
            await asyncio.to_thread(_end_runs, say)
        for task in (working, stop_requested, watching):
            task.cancel()
        outcome, *_ = await asyncio.gather(working, stop_requested, watching, return_exceptions=True)
        if isinstance(outcome, Exception) and not stopping.is_set():
            # The server was unreachable for longer than Prefect's worker tolerates.
            say(f"Worker {name} lost the connection to the Prefect server ({_first_line(outcome)}) and retries.")
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), PAUSE_SECONDS)
    say(f"Worker {name} has stopped.")


async def _watch(settings: Settings, checks: Sequence[Check], say: Callable[[str], None]) -> None:
    """Supervise scheduled runs periodically, ignoring single failures; reports if all checks fail."""
    silent: dict[UUID, float] = {}
    failures = 0
    while True:
        await asyncio.sleep(WATCH_SECONDS * random.uniform(0.8, 1.2))  # so that workers do not check at the same time
        try:
            await asyncio.to_thread(supervise_runs, settings, silent, say)
            for check in checks:
                await asyncio.to_thread(check)
        except Exception as error:  # the server may be unreachable: the worker itself waits for it
            failures += 1
            logger.debug("The runs could not be checked: %s", error)
            if failures == REPORTED_FAILURES:
                say(
                    f"Crashed runs are not restarted for now: the last {failures} checks of the runs failed "
                    f"({_first_line(error)})."
                )
            continue
        if failures >= REPORTED_FAILURES:
            say("Crashed runs are restarted again.")
        failures = 0


def _end_runs(say: Callable[[str], None]) -> None:
    """Tell every run of this worker to stop, and give each time to save a checkpoint."""
    runs = psutil.Process().children()
    if not runs:
        return
    say(f"{counted(len(runs), 'run')} will save a checkpoint and resume on another worker.")
    for run in runs:
        with suppress(psutil.Error):
            run.terminate()
    _, stubborn = psutil.wait_procs(runs, GRACE_SECONDS)
    for run in stubborn:
        say(f"The run in process {run.pid} did not stop within {GRACE_SECONDS:.0f} s and is ended.")
        with suppress(psutil.Error):
            run.kill()


def _first_line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
