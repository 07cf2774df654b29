"""A worker's metrics for Prometheus: that it works, and whether schedules are kept."""

from __future__ import annotations

from datetime import UTC, datetime

import psutil
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from wgan.errors import UsageError
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.schedule_health import schedule_health
from wgan.settings import Settings


class WorkerMetrics:
    """The metrics of one worker. Raises `UsageError` if the address, host:port, cannot be listened on."""

    def __init__(self, address: str) -> None:
        registry = CollectorRegistry()
        self._runs = Gauge("wgan_worker_runs", "Runs under way at this worker.", registry=registry)
        self._checked = Gauge(
            "wgan_worker_checked_timestamp_seconds", "When the worker last checked Prefect's runs.", registry=registry
        )
        self._overdue = Gauge(
            "wgan_schedule_overdue_seconds",
            "How long the oldest due run has waited to begin; 0: none waits.",
            ["schedule"],
            registry=registry,
        )
        self._last_success = Gauge(
            "wgan_schedule_last_success_timestamp_seconds",
            "When a run was last completed; absent: never.",
            ["schedule"],
            registry=registry,
        )
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise UsageError(f"--metrics {address!r} is not an address: give host:port, e.g. 127.0.0.1:9101.")
        try:
            start_http_server(int(port), host, registry)
        except (OSError, OverflowError) as error:
            raise UsageError(f"--metrics {address} cannot be listened on ({error}): choose another.") from None

    def update(self, settings: Settings) -> None:
        """Ask Prefect. Raises `WganError`."""
        now = datetime.now(UTC)
        with PrefectServer(settings, answer_seconds=10.0) as server:
            found = schedule_health(server, now)
        self._runs.set(len(psutil.Process().children()))
        for gauge in (self._overdue, self._last_success):
            gauge.clear()  # schedules that are gone
        for schedule in found:
            waited = (now - schedule.due_since).total_seconds() if schedule.due_since else 0.0
            self._overdue.labels(schedule.name).set(max(0.0, waited))
            if schedule.last_success is not None:
                self._last_success.labels(schedule.name).set(schedule.last_success.timestamp())
        self._checked.set(now.timestamp())
