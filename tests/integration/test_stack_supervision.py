"""Each server of a stack is supervised separately: a failure of one never stops another."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from tests.conftest import new_settings
from tests.integration.stack_commands import wait_for
from wgan.stack import supervision
from wgan.stack.credentials import ensure_credentials
from wgan.stack.home import prepare_home
from wgan.stack.lifecycle import RunningStack
from wgan.stack.processes import is_healthy, launch
from wgan.stack.servers import s3_server
from wgan.stack.state import ServiceState, hold_lock, read_state


@dataclass
class Watched:
    """Two supervised S3 servers; the tests disturb `shaky` and not `steady`."""

    home: Path
    said: list[str]

    def state(self, name: str) -> ServiceState:
        found = read_state(self.home)
        assert found is not None
        return next(service for service in found.services if service.name == name)

    def pid(self, name: str) -> int | None:
        return self.state(name).pid

    def signal(self, name: str, number: signal.Signals) -> None:
        pid = self.pid(name)
        assert pid is not None
        os.kill(pid, number)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"PAUSE": 1.0, "HEALTHY": 600.0, "HUNG": 3.0, "ASK": 0.2, "WATCH": 0.05}.items():
        monkeypatch.setattr(supervision, f"{name}_SECONDS", seconds)


@contextmanager
def watched(home: Path) -> Iterator[Watched]:
    prepare_home(home)
    settings = new_settings(home).model_copy(update={"start_timeout": 60.0})
    steady = replace(s3_server(settings, ensure_credentials(home)), name="steady")
    other = settings.model_copy(update={"s3_port": settings.mlflow_port})
    shaky = replace(s3_server(other, ensure_credentials(home)), name="shaky", title="Shaky")
    running = tuple(launch(server, home) for server in (steady, shaky))
    for server in (steady, shaky):
        wait_for(lambda server=server: is_healthy(server))  # type: ignore[misc]
    lock = hold_lock(home)
    assert lock is not None
    stack, stopping, said = RunningStack(settings, running, home, lock), threading.Event(), list[str]()
    supervision.record(home, [(one.server, one, None) for one in running])
    thread = threading.Thread(target=supervision.supervise, args=(stack, stopping, said.append))
    thread.start()
    try:
        yield Watched(home, said)
    finally:
        stopping.set()
        thread.join()
    assert not [one for one in running if one.process.poll() is None]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path / "home") as found:
        yield found


def test_a_server_that_keeps_dying_is_retried_periodically_and_the_other_keeps_running(pair: Watched) -> None:
    before = pair.pid("steady")
    for _ in range(supervision.RESTARTS + 1):
        shaky = pair.pid("shaky")
        pair.signal("shaky", signal.SIGKILL)
        wait_for(lambda shaky=shaky: pair.pid("shaky") not in (shaky, None))  # type: ignore[misc]
    assert sum("it is restarted" in line for line in pair.said) == supervision.RESTARTS
    assert "the other servers keep running" in pair.said[-1]
    wait_for(lambda: pair.state("shaky").trouble is None)
    assert pair.pid("steady") == before
    assert before is not None
    assert psutil.pid_exists(before)


def test_a_taken_port_is_reported_once_and_retried(pair: Watched) -> None:
    before, port = pair.pid("steady"), pair.state("shaky").port
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        pair.signal("shaky", signal.SIGKILL)
        wait_for(lambda: _bound(taker, port))
        taker.listen()
        wait_for(lambda: "cannot listen on port" in (pair.state("shaky").trouble or ""))
        assert pair.pid("shaky") is None
        assert sum("cannot listen on port" in line for line in pair.said) == 1
    wait_for(lambda: pair.pid("shaky") is not None and pair.state("shaky").trouble is None)
    assert pair.pid("steady") == before


def _bound(taker: socket.socket, port: int) -> bool:
    with suppress(OSError):
        taker.bind(("127.0.0.1", port))
        return True
    return False


def test_a_hung_server_is_killed_and_restarted(pair: Watched) -> None:
    before, hung = pair.pid("steady"), pair.pid("shaky")
    pair.signal("shaky", signal.SIGSTOP)
    wait_for(lambda: pair.pid("shaky") not in (hung, None))
    assert "did not answer for" in pair.said[0]
    wait_for(lambda: pair.state("shaky").trouble is None)
    assert pair.pid("steady") == before


def test_deaths_before_a_healthy_period_are_forgotten(pair: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "HEALTHY_SECONDS", 0.5)
    for _ in range(supervision.RESTARTS + 2):
        shaky = pair.pid("shaky")
        pair.signal("shaky", signal.SIGKILL)
        wait_for(lambda shaky=shaky: pair.pid("shaky") not in (shaky, None))  # type: ignore[misc]
        wait_for(lambda: pair.state("shaky").trouble is None)
        threading.Event().wait(1.5)
    assert all(f"(1 of {supervision.RESTARTS} immediate restarts" in line for line in pair.said)
