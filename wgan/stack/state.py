"""The state of a home's stack: a lock that its process holds while it is alive, and a file with the rest."""

from __future__ import annotations

import fcntl
import os
from datetime import datetime
from pathlib import Path
from typing import IO

import psutil
from pydantic import Field, ValidationError

from wgan.records import Record
from wgan.stack.credentials import write_private

LOCK_FILE = "stack.lock"
STATE_FILE = "stack.json"


class ServiceState(Record):
    """One server of a stack."""

    name: str = Field(description="`s3`, `mlflow` or `prefect`.")
    url: str
    port: int
    pid: int | None = Field(description="None while the server has no process.")
    log: Path
    trouble: str | None = Field(None, description="Why it has none, or had to be started again, until it is healthy.")


class StackState(Record):
    """A stack as last described by its supervisor."""

    supervisor_pid: int = Field(description="Process that started the servers and holds the lock.")
    supervisor_started: float = Field(description="Its start, seconds since 1970: a process number can be reused.")
    ready: bool = Field(description="Whether all servers have been healthy.")
    time: datetime
    services: tuple[ServiceState, ...] = ()

    def supervisor(self) -> psutil.Process | None:
        """The supervisor's process, or None if it has ended."""
        try:
            process = psutil.Process(self.supervisor_pid)
            return process if abs(process.create_time() - self.supervisor_started) < 1.0 else None
        except psutil.Error:
            return None


def hold_lock(home: Path) -> IO[str] | None:
    """Take the home's lock until the returned file is closed or this process ends; None if another holds it."""
    path = home / LOCK_FILE
    path.touch(mode=0o600)
    file: IO[str] = path.open()
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def is_locked(home: Path) -> bool:
    """Whether a live process is running the home's stack."""
    path = home / LOCK_FILE
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def describe(ready: bool, services: tuple[ServiceState, ...]) -> StackState:
    """The state of a stack whose supervisor is this process."""
    started = psutil.Process().create_time()
    now = datetime.now().astimezone()
    return StackState(
        supervisor_pid=os.getpid(),
        supervisor_started=started,
        ready=ready,
        time=now,
        services=services,
    )


def write_state(home: Path, state: StackState) -> None:
    """Replace the home's state."""
    write_private(home / STATE_FILE, state.model_dump(mode="json"))


def read_state(home: Path) -> StackState | None:
    """The home's last state; None if there is none or it is unreadable."""
    try:
        return StackState.model_validate_json((home / STATE_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def clear_state(home: Path) -> None:
    """Delete the home's state."""
    (home / STATE_FILE).unlink(missing_ok=True)
