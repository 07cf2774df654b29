"""Failures of the embedded stack: one sentence with the setting to change, and nothing left running."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.stack_commands import have_ended, run, server_pids, start, wait_for
from wgan.connection_file import CONNECTION_FILE
from wgan.settings import Settings, load_settings
from wgan.stack.credentials import CREDENTIALS_FILE, connected, ensure_credentials
from wgan.stack.processes import is_healthy, strays
from wgan.stack.servers import s3_server
from wgan.stack.state import describe, is_locked, read_state, write_state
from wgan.storage import open_storage


def test_a_taken_port_is_named_with_its_process_and_the_setting(idle_stack: Settings) -> None:
    with socket.create_server(("127.0.0.1", idle_stack.mlflow_port)):
        errors = run(idle_stack, "up", code=1).stderr.splitlines()
    assert errors[-1] == (
        f"MLflow cannot listen on port {idle_stack.mlflow_port}, which is taken by process {os.getpid()} "
        f"({psutil.Process().name()}): set WGAN_MLFLOW_PORT to a free port."
    )
    assert strays(idle_stack.home) == []
    assert read_state(idle_stack.home) is None
    assert not (idle_stack.home / CONNECTION_FILE).exists()


def test_two_servers_cannot_have_one_port(idle_stack: Settings) -> None:
    errors = run(idle_stack, "up", code=2, WGAN_MLFLOW_PORT=str(idle_stack.s3_port)).stderr
    assert f"WGAN_S3_PORT and WGAN_MLFLOW_PORT are both {idle_stack.s3_port}" in errors


@pytest.mark.parametrize("arguments", [("up",), ("up", "--detach")])
def test_a_server_that_dies_at_its_start_is_reported_with_the_end_of_its_log(
    idle_stack: Settings, arguments: tuple[str, ...]
) -> None:
    (idle_stack.home / "prefect.db").write_bytes(b"this is not a database" * 1000)
    errors = run(idle_stack, *arguments, code=1).stderr
    assert "Prefect (process" in errors
    assert "file is not a database" in errors
    assert "Traceback" not in errors.split("the end of its log")[0]
    assert strays(idle_stack.home) == []
    assert not is_locked(idle_stack.home)


def test_a_server_that_does_not_answer_in_time_is_reported_with_the_setting(idle_stack: Settings) -> None:
    errors = run(idle_stack, "up", code=1, WGAN_START_TIMEOUT="0.2").stderr
    assert "within 0.2 s: set WGAN_START_TIMEOUT" in errors
    assert strays(idle_stack.home) == []


@pytest.mark.parametrize("arguments", [("up",), ("up", "--detach")])
def test_a_home_that_cannot_be_used_is_one_sentence(idle_stack: Settings, arguments: tuple[str, ...]) -> None:
    file = idle_stack.home / "file"
    file.touch()
    errors = run(idle_stack, *arguments, code=1, WGAN_HOME=str(file)).stderr.splitlines()
    assert errors[-1] == (
        f"The folder {file} cannot be used (File exists): make it writable or set WGAN_HOME to another one."
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere servers outlive a killed parent until the next up")
def test_servers_end_with_a_killed_up(idle_stack: Settings) -> None:
    up = start(idle_stack, "up")
    wait_for(lambda: len(strays(idle_stack.home)) == 4 or up.poll() is not None)
    servers = strays(idle_stack.home)
    up.kill()
    up.communicate()
    wait_for(lambda: have_ended(servers))
    assert "not running" in run(idle_stack, "status", code=1).stdout


def leave_a_server_behind(settings: Settings) -> psutil.Process:
    """Start the S3 server as `wgan up` does, by a process that is gone; it survives, as on systems without a signal
    for that."""
    server = s3_server(settings, ensure_credentials(settings.home))
    program = "import subprocess, sys; subprocess.Popen(sys.argv[1:], start_new_session=True)"
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-c", program, *server.command]
    subprocess.run(command, cwd=settings.home, env=dict(server.environment), stdout=quiet, stderr=quiet, check=True)
    wait_for(lambda: is_healthy(server))
    (process,) = strays(settings.home)
    return process


def test_status_and_down_find_what_a_killed_up_left(idle_stack: Settings) -> None:
    left = leave_a_server_behind(idle_stack)
    assert f"left process {left.pid}: `wgan down` stops it." in run(idle_stack, "status", code=1).stdout
    assert "a killed `wgan up` had left 1 process, now stopped." in run(idle_stack, "down").stdout
    assert have_ended([left])


def test_up_cleans_up_after_a_killed_one_and_keeps_its_data(idle_stack: Settings) -> None:
    left = leave_a_server_behind(idle_stack)
    credentials = ensure_credentials(idle_stack.home)
    before = open_storage(connected(idle_stack, credentials))
    before.ensure_bucket()
    before.put_bytes("kept", b"data")
    write_state(idle_stack.home, describe(ready=True, services=()).model_copy(update={"supervisor_started": 0.0}))
    run(idle_stack, "up", "--detach")
    assert have_ended([left])
    assert ensure_credentials(idle_stack.home) == credentials
    assert open_storage(load_settings(home=idle_stack.home)).get_bytes("kept") == b"data"


def test_a_server_that_dies_is_restarted_with_its_data(idle_stack: Settings) -> None:
    run(idle_stack, "up", "--detach")
    storage = open_storage(load_settings(home=idle_stack.home))
    storage.put_bytes("kept", b"data")
    before = server_pids(idle_stack.home)
    psutil.Process(before["s3"]).kill()
    wait_for(lambda: server_pids(idle_stack.home)["s3"] not in (before["s3"], None))
    wait_for(lambda: json.loads(run(idle_stack, "status", "--json", code=(0, 1)).stdout)["healthy"])
    assert storage.get_bytes("kept") == b"data"
    assert {**before, "s3": None} == {**server_pids(idle_stack.home), "s3": None}
    log = (idle_stack.home / "logs" / "stack.log").read_text()
    assert log.count("it is restarted") == 1
    assert "already up" in run(idle_stack, "up", "--detach").stdout
    assert (idle_stack.home / "logs" / "stack.log").read_text().startswith(log)


def test_a_folder_with_other_files_is_not_changed(idle_stack: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir(mode=0o755)
    (folder / "thesis.txt").touch()
    errors = run(idle_stack, "up", code=1, WGAN_HOME=str(folder)).stderr.splitlines()
    assert errors[-1] == (
        f"The folder {folder} holds files that are not this pipeline's (thesis.txt) and is not used: "
        "set WGAN_HOME to an empty or a new folder."
    )
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_a_damaged_credentials_file_is_one_sentence(idle_stack: Settings) -> None:
    (idle_stack.home / CREDENTIALS_FILE).write_text("{")
    errors = run(idle_stack, "up", code=1).stderr
    assert f"{idle_stack.home / CREDENTIALS_FILE} is damaged: delete it" in errors
