"""A worker: takes due runs from the pool and runs each in a process of its own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from wgan.errors import UsageError
from wgan.settings import Settings

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_worker(settings: Settings, name: str, limit: int | None, say: Callable[[str], None]) -> None:
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


async def _work(settings: Settings, name: str, limit: int | None, say: Callable[[str], None]) -> None:
    worker = ProcessWorker(work_pool_name=settings.work_pool, name=name, limit=limit, create_pool_if_not_found=False)
    working = asyncio.create_task(worker.start(printer=lambda *_: None))
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, working.cancel)
    say(f"Worker {name} takes runs from pool {settings.work_pool}; Ctrl-C stops it.")
    try:
        await working
    except asyncio.CancelledError:
        say(f"Worker {name} has stopped.")
