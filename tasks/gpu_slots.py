"""GPU slots: how many trainings run at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from tasks.run_time import waiting
from wgan import progress

GPU = "gpu"
LEASE_SECONDS = 60
"""The shortest that Prefect allows: how long a slot stays taken after its owner died."""


def ensure_gpu_slots(count: int = 1) -> None:
    """Create the limit `gpu` with `count` slots unless there is one, whatever its size."""
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(GPU)
        except ObjectNotFound:
            client.upsert_global_concurrency_limit_by_name(GPU, count)


def set_gpu_slots(count: int) -> None:
    """Let `count` trainings run at the same time from now on; those that run already go on."""
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(GPU, count)


@contextmanager
def gpu_slot() -> Iterator[None]:
    """Occupy one of the `gpu` slots; waits for a free one, and says so."""
    with get_client(sync_client=True) as client:
        limit = client.read_global_concurrency_limit_by_name(GPU)
    if limit.active_slots >= limit.limit:
        progress.announce("training", "waits for the GPU slot; another training has it, or died within a minute")
    with ExitStack() as held:
        with waiting():
            # A lost lease must not kill a long training: the slot is a courtesy between runs, not a lock.
            held.enter_context(
                concurrency(GPU, lease_duration=LEASE_SECONDS, strict=True, raise_on_lease_renewal_failure=False)
            )
        yield
