"""How long a run has worked, on which the next one's estimate is based."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from prefect import runtime
from prefect.client.orchestration import get_client

_waited: dict[str, float] = {}
"""Seconds that runs of this process waited for others, by flow run."""


@contextmanager
def waiting() -> Iterator[None]:
    """Count the time inside the block as waiting for another run, not as work."""
    began = time.monotonic()
    try:
        yield
    finally:
        run = str(runtime.flow_run.id)
        _waited[run] = _waited.get(run, 0.0) + time.monotonic() - began


def seconds_worked() -> float | None:
    """Seconds since this flow run started, without waiting for others; None if it was interrupted and resumed."""
    if runtime.flow_run.run_count != 1:
        return None
    run = str(runtime.flow_run.id)
    with get_client(sync_client=True) as client:
        began = client.read_flow_run(runtime.flow_run.id).start_time
    if began is None:
        return None
    return (datetime.now(UTC) - began).total_seconds() - _waited.get(run, 0.0)
