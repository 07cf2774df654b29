"""Start the servers together and gate on their health; watch them; stop them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from wgan.errors import WganError
from wgan.settings import Settings
from wgan.stack.credentials import connected, ensure_credentials, prepare_home, write_connection
from wgan.stack.databases import require_databases
from wgan.stack.processes import (
    RunningServer,
    is_healthy,
    launch,
    log_end,
    owns_port,
    require_free_ports,
    set_aside_large_log,
    stop,
    stop_strays,
)
from wgan.stack.servers import embedded_servers
from wgan.stack.slots import size_gpu_slots
from wgan.stack.state import ServiceState, clear_state, describe, hold_lock, write_state

RESTARTS = 3
"""How often each server is started again in the life of a stack; then the stack stops and says why."""
POLL_SECONDS = 0.05
WATCH_SECONDS = 0.5


class StackIsUp(WganError):
    """Another process has this home's stack."""


class StackInterrupted(WganError):
    """The stack was told to stop before it was up."""

    exit_code = 0


@dataclass(frozen=True)
class RunningStack:
    """Healthy servers that are children of this process."""

    settings: Settings
    """With the addresses and credentials of these servers."""
    servers: tuple[RunningServer, ...]
    home: Path
    lock: IO[str] = field(repr=False)


def start_stack(settings: Settings, stopping: threading.Event | None = None) -> RunningStack:
    """Start the embedded servers on the settings' ports, in `settings.home`, and wait until all are healthy.

    Clears away what a killed stack of the same home left, creates the bucket, and writes `connection.json`, where
    `load_settings` finds addresses and credentials. Call it from the main thread, and `stop_stack` at the end.

    Raises `StackIsUp` when a living process has the home, `StackInterrupted` when `stopping` is set meanwhile, and
    `WganError` (port, setting or end of the log in the message) for a taken port or a server that dies or does not
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
        from wgan.storage import open_storage  # boto3: `wgan status` does not wait for its import

        open_storage(own).ensure_bucket()
        size_gpu_slots(own)
        write_connection(settings, credentials)
        stack = RunningStack(own, tuple(launched), home, lock)
        _record(stack)
    except BaseException:
        _stop_all(launched)
        clear_state(home)
        lock.close()
        raise
    return stack


def stop_stack(stack: RunningStack, failure: str | None = None) -> None:
    """Stop all servers, those first that need the others; give the home free. `failure` is kept for `wgan status`."""
    try:
        _stop_all(stack.servers)
    finally:
        if failure is None:
            clear_state(stack.home)
        else:
            write_state(stack.home, describe(False, (), failure))
        stack.lock.close()


def supervise(stack: RunningStack, stopping: threading.Event, say: Callable[[str], None]) -> None:
    """Watch the servers until `stopping` is set, then stop them.

    A server that dies is started again on its data, up to `RESTARTS` times, and `say` gets a sentence about it.
    Raises `WganError` when it dies once more or does not come back; all servers are stopped then.
    """
    restarts: Counter[str] = Counter()
    failure: str | None = None
    try:
        while not stopping.wait(WATCH_SECONDS):
            for running in stack.servers:
                set_aside_large_log(running.log)
                if running.process.poll() is not None:
                    what, end = _death(running), log_end(running.log)
                    name = running.server.name
                    if restarts[name] == RESTARTS:
                        raise WganError(f"{what}, after {RESTARTS} restarts: the stack stops.\n{end}")
                    restarts[name] += 1
                    say(f"{what}; it is started again ({restarts[name]} of {RESTARTS} times).\n{end}")
                    stack = _restarted(stack, running, stopping)
    except StackInterrupted:
        return
    except WganError as error:
        failure = str(error)
        raise
    finally:
        stop_stack(stack, failure)


def _restarted(stack: RunningStack, dead: RunningServer, stopping: threading.Event) -> RunningStack:
    require_free_ports([dead.server])
    again = launch(dead.server, stack.home)
    try:
        _wait_until_healthy([again], stack.settings.start_timeout, stopping)
    except BaseException:
        stop(again)
        raise
    servers = tuple(again if running is dead else running for running in stack.servers)
    stack = replace(stack, servers=servers)
    _record(stack)
    return stack


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
                    raise WganError(f"{_death(running)} while starting; the end of its log:\n{log_end(running.log)}")
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

    It is asked one request at a time, and each may take its time: a slow machine is not made slower by asking again.
    """
    healthy = threading.Event()

    def ask() -> None:
        while not given_up.wait(POLL_SECONDS):
            if owns_port(running) and is_healthy(running.server, timeout):
                healthy.set()
                return

    threading.Thread(target=ask, name=f"health of {running.server.name}", daemon=True).start()
    return healthy


def _death(running: RunningServer) -> str:
    code = running.process.returncode
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"{running.server.title} (process {running.process.pid}, log {running.log}) {how}"


def _record(stack: RunningStack) -> None:
    services = tuple(
        ServiceState(name=one.server.name, url=one.server.url, port=one.server.port, pid=one.process.pid, log=one.log)
        for one in stack.servers
    )
    write_state(stack.home, describe(True, services))


def _stop_all(servers: Sequence[RunningServer]) -> None:
    for running in reversed(servers):
        stop(running)
