"""Runs that a worker started: what ends early is started again by the server, though not for ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import runtime
from prefect.exceptions import TerminationSignal

from wgan.errors import Interrupted, WganError

MOST_STARTS = 20
"""Of one flow run: a run that takes its machine down with it must come to an end."""


def started_by_worker() -> bool:
    """Whether a worker started this process for one flow run."""
    return "PREFECT__FLOW_RUN_ID" in os.environ


def stop_after_many_starts() -> None:
    """Raise `WganError` when a worker starts this flow run once too often."""
    if started_by_worker() and runtime.flow_run.run_count > MOST_STARTS:
        raise WganError(
            f"this run was started {MOST_STARTS} times and died each time: it is given up; its log says where, and "
            f"`wgan retrain --resume {runtime.flow_run.id}` goes on with it."
        )


@contextmanager
def interrupted_as_crashed() -> Iterator[None]:
    """Make an interruption of a worker's run count as a crash, after which the server has it started again.

    A worker that is told to stop passes SIGTERM on; a cancellation arrives the same way and stays a cancellation,
    which Prefect tells apart by itself.
    """
    try:
        yield
    except Interrupted:
        if started_by_worker():
            raise TerminationSignal(signal.SIGTERM) from None
        raise
