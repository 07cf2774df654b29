"""One promotion or rollback of a model at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency

LEASE_SECONDS = 60
"""The shortest that Prefect allows: how long the lock stays taken after its owner died."""


@contextmanager
def promotion_lock(model_name: str) -> Iterator[None]:
    """Let promotions and rollbacks of one model through one at a time, across processes and machines."""
    name = f"promotion-{model_name}"
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
    with concurrency(name, occupy=1, lease_duration=LEASE_SECONDS, strict=True):
        yield
