"""`wgan up` in the foreground, how it stops, and `wgan down`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.integration.stack_commands import environment, have_ended, is_ready, run, server_processes, start, wait_for
from wgan.settings import Settings
from wgan.stack.processes import strays
from wgan.stack.state import describe, is_locked, read_state, write_state


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_every_server_and_the_exit_code_is_0(idle_stack: Settings, number: signal.Signals) -> None:
    up = start(idle_stack, "up")
    wait_for(lambda: is_ready(idle_stack.home) or up.poll() is not None)
    servers = list(server_processes(idle_stack.home).values())
    assert len(servers) == 4
    up.send_signal(number)
    out, errors = up.communicate(timeout=60)
    assert up.returncode == 0, errors
    assert "Traceback" not in errors
    for port in (idle_stack.s3_port, idle_stack.mlflow_port, idle_stack.prefect_port, idle_stack.serve_port):
        assert f"http://127.0.0.1:{port} " in out
    assert have_ended(servers)
    assert read_state(idle_stack.home) is None


def test_down_stops_a_foreground_up_and_returns_when_all_have_ended(idle_stack: Settings) -> None:
    up = start(idle_stack, "up")
    wait_for(lambda: is_ready(idle_stack.home) or up.poll() is not None)
    servers = list(server_processes(idle_stack.home).values())
    assert "is stopped" in run(idle_stack, "down").stdout
    assert have_ended(servers)
    assert not is_locked(idle_stack.home)
    assert up.wait(timeout=60) == 0
    up.communicate()


def test_a_signal_during_the_start_leaves_nothing_behind(idle_stack: Settings) -> None:
    up = start(idle_stack, "up")
    wait_for(lambda: len(strays(idle_stack.home)) == 3 or up.poll() is not None)
    launched = strays(idle_stack.home)
    up.terminate()
    _, errors = up.communicate(timeout=60)
    assert (up.returncode, "Traceback" in errors) == (0, False)
    assert have_ended(launched)
    assert read_state(idle_stack.home) is None


def test_of_two_concurrent_ups_one_starts_the_servers_and_the_other_waits(idle_stack: Settings) -> None:
    both = [start(idle_stack, "up"), start(idle_stack, "up")]
    wait_for(lambda: any(up.poll() is not None for up in both))
    loser, winner = sorted(both, key=lambda up: up.poll() is None)
    out, errors = loser.communicate(timeout=60)
    assert loser.returncode == 0, errors
    assert "already up" in out
    assert len(strays(idle_stack.home)) == 4
    winner.send_signal(signal.SIGHUP)  # its terminal is closed
    winner.communicate(timeout=60)
    assert winner.returncode == 0


def test_up_stops_when_its_terminal_closes(idle_stack: Settings) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "wgan", "up"]
    finished = subprocess.run(command, env=environment(idle_stack), stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert finished.returncode == 1
    assert strays(idle_stack.home) == []


def test_a_stopped_stack_is_reported_plainly(idle_stack: Settings) -> None:
    assert "not running" in run(idle_stack, "status", code=1).stdout
    assert "not running" in run(idle_stack, "down").stdout
    status = json.loads(run(idle_stack, "status", "--json", code=1).stdout)
    assert (status["up"], status["healthy"]) == (False, False)
    assert [service["pid"] for service in status["services"]] == [None] * 4


@pytest.fixture
def sleeper() -> Iterator[psutil.Popen]:
    """A process unrelated to any stack."""
    process = psutil.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


def test_down_does_not_kill_a_process_that_reuses_the_number(idle_stack: Settings, sleeper: psutil.Popen) -> None:
    state = describe(ready=True, services=()).model_copy(update={"supervisor_pid": sleeper.pid})
    write_state(idle_stack.home, state)
    assert "not running" in run(idle_stack, "down").stdout
    assert sleeper.is_running()
    assert sleeper.status() != psutil.STATUS_ZOMBIE
