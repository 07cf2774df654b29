"""Starts the servers, waits until they are healthy, and stops them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from wgan.errors import WganError
from wgan.settings import Settings
from wgan.stack.credentials import connected, ensure_credentials, write_connection
from wgan.stack.databases import require_databases
from wgan.stack.home import prepare_home
from wgan.stack.processes import (
    RunningServer,
    is_healthy,
    launch,
    log_end,
    log_of,
    owns_port,
    require_free_ports,
    stop,
    stop_strays,
)
from wgan.stack.servers import Server, embedded_servers
from wgan.stack.state import ServiceState, clear_state, describe, hold_lock, write_state

POLL_SECONDS = 0.05


class StackIsUp(WganError):
    """Another process is running this home's stack."""


class StackInterrupted(WganError):
    """The stack was stopped before it was up."""

    exit_code = 0


@dataclass(frozen=True)
class RunningStack:
    """Healthy servers that are children of this process."""

    settings: Settings
    """The settings with the addresses and credentials of these servers."""
    servers: tuple[RunningServer, ...]
    home: Path
    lock: IO[str] = field(repr=False)


def start_stack(settings: Settings, stopping: threading.Event | None = None) -> RunningStack:
    """Start the embedded servers on the settings' ports, in `settings.home`, and wait until all are healthy.

    Kills leftovers of a killed stack of the same home, creates the bucket, and writes `connection.json`, from which
    `load_settings` reads addresses and credentials. Call it from the main thread, and `stop_stack` at the end.

    Raises `StackIsUp` if a live process holds the home, `StackInterrupted` if `stopping` is set meanwhile, and
    `WganError` (with port, setting or end of the log in the message) if a port is taken or a server dies or does not
    answer; nothing is left running then.
    """
    home = settings.home.resolve()
    prepare_home(home)
    lock = hold_lock(home)
    if lock is None:
        raise StackIsUp(f"the stack in {home} is already up.")
    launched: list[RunningServer] = []
    try:
        write_state(home, describe(False, ()))
        stop_strays(home)
        credentials = ensure_credentials(home)
        servers = embedded_servers(settings, credentials)
        require_free_ports(servers)
        require_databases(settings)
        for asks_others in (False, True):
            for server in servers:
                if server.asks_others is asks_others:
                    launched.append(launch(server, home))
            _wait_until_healthy(launched, settings.start_timeout, stopping or threading.Event())
        own = connected(settings, credentials)
        # boto3 and httpx: imported here so that `wgan status` stays fast.
        from wgan.prefect_server.client import PrefectServer
        from wgan.prefect_server.operations import prepare_page
        from wgan.storage import open_storage

        open_storage(own).ensure_bucket()
        with PrefectServer(own) as prefect:
            prepare_page(prefect, own)
        write_connection(settings, credentials)
        stack = RunningStack(own, tuple(launched), home, lock)
        record(home, [(running.server, running, None) for running in launched])
    except BaseException:
        _stop_all(launched)
        clear_state(home)
        lock.close()
        raise
    return stack


def stop_stack(stack: RunningStack) -> None:
    """Stop all servers, dependent ones first; release the home."""
    try:
        _stop_all(stack.servers)
    finally:
        clear_state(stack.home)
        stack.lock.close()


def _wait_until_healthy(servers: Sequence[RunningServer], timeout: float, stopping: threading.Event) -> None:
    given_up = threading.Event()
    waiting = [(running, _answer(running, timeout, given_up)) for running in servers]
    deadline = time.monotonic() + timeout
    try:
        while waiting:
            if stopping.wait(POLL_SECONDS):
                raise StackInterrupted("stopped before the stack was up.")
            for running, answered in list(waiting):
                if running.process.poll() is not None:
                    raise WganError(f"{death_of(running)} while starting; the end of its log:", log_end(running.log))
                if answered.is_set():
                    waiting.remove((running, answered))
            if waiting and time.monotonic() > deadline:
                late = waiting[0][0]
                raise WganError(
                    f"{late.server.title} did not become healthy at {late.server.url} within {timeout:g} s: set "
                    f"WGAN_START_TIMEOUT to more seconds, or see the end of its log {late.log}:\n{log_end(late.log)}"
                )
    finally:
        given_up.set()


def _answer(running: RunningServer, timeout: float, given_up: threading.Event) -> threading.Event:
    """An event that is set once the server is healthy.

    It sends one request at a time with a long timeout, so as not to slow down a slow machine.
    """
    healthy = threading.Event()

    def ask() -> None:
        while not given_up.wait(POLL_SECONDS):
            if owns_port(running) and is_healthy(running.server, timeout):
                healthy.set()
                return

    threading.Thread(target=ask, name=f"health of {running.server.name}", daemon=True).start()
    return healthy


def death_of(running: RunningServer) -> str:
    """How the server's process ended, as text."""
    code = running.process.returncode
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"{running.server.title} (process {running.process.pid}, log {running.log}) {how}"


def record(home: Path, servers: Iterable[tuple[Server, RunningServer | None, str | None]]) -> None:
    """Record each server's process, if any, and its problem."""
    services = tuple(
        ServiceState(
            name=server.name,
            url=server.url,
            port=server.port,
            pid=running.process.pid if running else None,
            log=log_of(server, home),
            trouble=trouble,
        )
        for server, running, trouble in servers
    )
    write_state(home, describe(True, services))


def _stop_all(servers: Sequence[RunningServer]) -> None:
    for running in reversed(servers):
        stop(running)
