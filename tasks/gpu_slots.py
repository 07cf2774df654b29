"""The `gpu` slots: how many trainings run concurrently on machines without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency

from tasks.run_time import waiting
from wgan import progress
from wgan.prefect_server.gpu_slots import LIMIT

LEASE_SECONDS = 60
"""How long a slot stays taken after its owner died; Prefect's minimum."""


@contextmanager
def gpu_slot() -> Iterator[None]:
    """Occupy one of the `gpu` slots; blocks until one is free, and reports that it waits."""
    with get_client(sync_client=True) as client:
        limit = client.read_global_concurrency_limit_by_name(LIMIT)
    if limit.active_slots >= limit.limit:
        progress.announce(
            "training", "waits for the GPU slot; another training holds it, or died within the last minute"
        )
    with ExitStack() as held:
        with waiting():
            # A lost lease must not kill a long training: the slot is advisory, not a lock.
            held.enter_context(
                concurrency(LIMIT, lease_duration=LEASE_SECONDS, strict=True, raise_on_lease_renewal_failure=False)
            )
        yield
