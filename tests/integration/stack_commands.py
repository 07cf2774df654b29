"""Run `wgan` against the test's own stack, in its own home folder, on free ports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.conftest import idle_settings
from tests.integration.warm_commands import is_warm, run_warm
from wgan.settings import Settings
from wgan.stack.credentials import ensure_credentials
from wgan.stack.state import read_state


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """A user's environment: only the home folder and the ports of the settings."""
    prefixes = ("WGAN_", "MLFLOW_", "PREFECT_", "AWS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    own = {
        "WGAN_HOME": str(settings.home),
        "WGAN_S3_PORT": str(settings.s3_port),
        "WGAN_MLFLOW_PORT": str(settings.mlflow_port),
        "WGAN_PREFECT_PORT": str(settings.prefect_port),
        "WGAN_SERVE_PORT": str(settings.serve_port),
    }
    return {**kept, **own, **more}


def prefect_login(settings: Settings) -> tuple[str, str]:
    """User and password of the home's Prefect server."""
    user, _, password = ensure_credentials(settings.home).prefect_login.partition(":")
    return user, password


def start(settings: Settings, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start the command; its output are pipes."""
    command = [sys.executable, "-m", "wgan", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment(settings, **more), stdout=pipe, stderr=pipe, text=True)


def run(
    settings: Settings, *arguments: str, code: int | tuple[int, ...] = 0, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end and check its exit code, which must be `code` or one of it."""
    ended = run_warm(arguments, environment(settings, **more), 600) if is_warm(arguments, more) else None
    if ended is None:
        process = start(settings, *arguments, **more)
        out, errors = process.communicate(timeout=600)
        ended = process.returncode, out, errors
    found, out, errors = ended
    allowed = code if isinstance(code, tuple) else (code,)
    assert found in allowed, f"exit code {found}, expected {code}\n{out}\n{errors}"
    return subprocess.CompletedProcess(arguments, found, out, errors)


@contextmanager
def stack_without_serving(stack: Settings, home: Path) -> Iterator[Settings]:
    """Settings of another stack, in a home of its own, which `wgan up` has started; it ends afterwards."""
    with idle_settings(stack, home) as settings:
        run(settings, "up", "--detach", WGAN_SERVE="false", WGAN_START_TIMEOUT=str(settings.start_timeout))
        yield settings


def wait_for(condition: Callable[[], object], seconds: float = 120.0, longest_pause: float = 0.5) -> None:
    """Wait until the condition holds; fail if it does not in time. Polls less and less often."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause)
        pause = min(1.2 * pause, longest_pause)


def is_ready(home: Path) -> bool:
    """Whether the home's stack has reported that all its servers are healthy."""
    state = read_state(home)
    return state is not None and state.ready


def server_pids(home: Path) -> dict[str, int | None]:
    """Process numbers of the home's servers by name, as its state lists them; None where there is no process."""
    state = read_state(home)
    assert state is not None
    return {service.name: service.pid for service in state.services}


def server_processes(home: Path) -> dict[str, psutil.Process]:
    """The processes themselves, which must exist."""
    return {name: psutil.Process(pid) for name, pid in server_pids(home).items() if pid}


def have_ended(processes: list[psutil.Process]) -> bool:
    """Whether none of the processes runs; a zombie does not."""
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
