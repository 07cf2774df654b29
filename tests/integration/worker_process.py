"""`wgan worker` as a separate process, and the runs on the Prefect server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.integration.stack_commands import environment, prefect_login, wait_for
from wgan.settings import Settings

PATIENCE = 400.0
"""Seconds: a run loads torch, trains and registers, beside other tests."""


@dataclass
class Worker:
    """A running worker."""

    process: subprocess.Popen[bytes]
    log: Path

    def runs(self) -> list[psutil.Process]:
        """The processes of the runs under way."""
        with suppress(psutil.Error):
            return psutil.Process(self.process.pid).children()
        return []

    def kill_with_its_runs(self) -> None:
        """SIGKILL to the worker and its children, as if the machine failed."""
        tree = [psutil.Process(self.process.pid)]
        tree += tree[0].children(recursive=True)
        for process in tree:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(tree, 30)


@contextmanager
def worker(settings: Settings, folder: Path, *options: str, **variables: str) -> Iterator[Worker]:
    """A worker that polls for runs every second; stopped afterwards."""
    log = folder / f"worker-{uuid.uuid4().hex[:8]}.log"
    more = {"PREFECT_WORKER_QUERY_SECONDS": "1", **variables}
    command = [sys.executable, "-m", "wgan", "worker", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment(settings, **more), stdout=output, stderr=output, cwd=folder, start_new_session=True
        )
    running = Worker(process, log)
    try:
        wait_for(lambda: "takes runs from pool" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield running
    finally:
        if process.poll() is None:
            running.kill_with_its_runs()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(settings: Settings, route: str, **body: Any) -> Any:
    """POST to the Prefect API."""
    return prefect(settings, "POST", route, json=body)


def read(settings: Settings, route: str) -> Any:
    """GET from the Prefect API."""
    return prefect(settings, "GET", route)


def prefect(settings: Settings, method: str, route: str, **more: Any) -> Any:
    """Ask the Prefect API, and again, as its own client does, after a 503 (a busy SQLite) or a dropped connection."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{settings.prefect_port}/api/",
        auth=prefect_login(settings),
        timeout=120,  # a busy machine
    ) as client:
        for pause in (0.5, 1, 2, 4, 8, 0):
            try:
                answer = client.request(method, route, **more)
            except httpx.RemoteProtocolError:
                if method != "GET" or not pause:
                    raise
            else:
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    break
            time.sleep(pause)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def flow_run(settings: Settings, flow_run_id: str) -> Any:
    return read(settings, f"flow_runs/{flow_run_id}")


def runs_of(settings: Settings, schedule: str) -> list[Any]:
    """The schedule's runs that have begun, oldest first."""
    found = ask(
        settings, "flow_runs/filter", deployments={"name": {"any_": [schedule]}}, sort="START_TIME_ASC", limit=100
    )
    return [run for run in found if run["run_count"]]


def task_runs(settings: Settings, flow_run_id: str) -> list[Any]:
    return list(
        ask(settings, "task_runs/filter", flow_runs={"id": {"any_": [flow_run_id]}}, sort="EXPECTED_START_TIME_ASC")
    )


def wait_for_end(settings: Settings, flow_run_id: str, seconds: float = PATIENCE) -> Any:
    """The run once it has ended; a crash does not count, since it is restarted."""
    wait_for(lambda: flow_run(settings, flow_run_id)["state_type"] in ("COMPLETED", "FAILED", "CANCELLED"), seconds)
    return flow_run(settings, flow_run_id)


def checkpoint_step(settings: Settings, flow_run_id: str) -> int:
    """Generator steps of the run's newest checkpoint in S3; 0 where there is none."""
    from wgan.settings import load_settings
    from wgan.storage import open_storage
    from wgan.storage.checkpoints import latest_checkpoints

    connected = load_settings(home=settings.home)
    stored = latest_checkpoints(flow_run_id, connected, open_storage(connected))
    return stored[0].step if stored else 0
