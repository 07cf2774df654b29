"""Child processes: starts one with its log, checks its health, stops it, finds those left by a killed parent."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from wgan.errors import UsageError, WganError
from wgan.stack.environment import LOOPBACK, STACK_MARK
from wgan.stack.servers import Server

STOP_SECONDS = 10.0
"""Seconds a server gets to finish its requests before it is killed."""
LOG_BYTES = 16 * 2**20
"""Size beyond which a log is rotated to `<name>.log.1`, replacing the previous one."""
LOG_TAIL_LINES = 20

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class RunningServer:
    """A server's process, which is a child of this one."""

    server: Server
    process: subprocess.Popen[bytes]
    log: Path


def launch(server: Server, home: Path) -> RunningServer:
    """Start the server in its own session, with output to `logs/<name>.log`, which starts empty.

    On Linux the server gets SIGTERM when the calling thread ends for any reason: call it from the main thread.
    Elsewhere a killed parent leaves it running until `stop_strays`.
    """
    log = log_of(server, home)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    log.touch(mode=0o600)
    with log.open("ab") as output:
        process = subprocess.Popen(
            server.command,
            cwd=home,
            env=dict(server.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            umask=0o077,  # databases, objects and logs are private
            start_new_session=True,  # only the parent gets Ctrl-C; it then stops this
            preexec_fn=_end_with_parent if _LIBC else None,
        )
    return RunningServer(server, process, log)


def log_of(server: Server, home: Path) -> Path:
    """Where the server's output goes."""
    return home / "logs" / f"{server.name}.log"


def is_healthy(server: Server, timeout: float = 2.0) -> bool:
    """Whether the listener on the server's port answers the health request correctly. Uses no proxy."""
    return health_answer(server, timeout) == server.health_status


def health_answer(server: Server, timeout: float) -> int | None:
    """The HTTP status with which the server answers its health request; None if it does not answer."""
    connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=timeout)
    try:
        connection.request("GET", server.health_path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def owns_port(running: RunningServer) -> bool:
    """Whether the server's own process, not another one, listens on its port."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.Process(running.process.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == running.server.port:
                return True
    return False


def stop(running: RunningServer) -> None:
    """Stop the server: SIGTERM, then SIGKILL to its session after a timeout."""
    if running.process.poll() is None:
        running.process.terminate()
        try:
            running.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            kill(running)


def kill(running: RunningServer) -> None:
    """Kill the server and its whole session at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()


def require_free_ports(servers: Sequence[Server]) -> None:
    """Raise an error naming the port, its listener and the setting to change, unless all ports are free."""
    for index, server in enumerate(servers):
        for other in servers[:index]:
            if other.port == server.port:
                raise UsageError(
                    f"{other.port_setting} and {server.port_setting} are both {server.port}: give each its own port."
                )
    for server in servers:
        if (reason := port_obstacle(server.port)) is not None:
            raise WganError(
                f"{server.title} cannot listen on port {server.port}, {reason}: "
                f"set {server.port_setting} to a free port."
            )


def port_obstacle(port: int) -> str | None:
    """Why a process cannot listen on the loopback port, or None if it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError:
            return "since ports of this number are reserved to the administrator"
        except OSError:
            return f"which is taken by {_listener(port)}"
    return None


def log_end(log: Path) -> str:
    """The last lines of a log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([line for line in lines if line.strip()][-LOG_TAIL_LINES:]) or "(it is empty)"


def set_aside_large_log(log: Path) -> None:
    """Bound a log that a server holds open (in append mode): copy it to `<name>.log.1` and empty it."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def strays(home: Path) -> list[psutil.Process]:
    """Processes marked as this home's stack, anywhere in the process tree."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(STACK_MARK) == str(home):
                found.append(process)
    return found


def stop_strays(home: Path) -> int:
    """Kill every server left by a killed `wgan up` of this home; returns their number. Needs the stack's lock."""
    left = strays(home)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, STOP_SECONDS)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, STOP_SECONDS)
    return len(left)


def _listener(port: int) -> str:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                process = psutil.Process(connection.pid)
                return f"process {process.pid} ({process.name()})"
    return "another process"


def _end_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
