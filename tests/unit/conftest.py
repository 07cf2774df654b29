"""Enforces the rule of this folder: a unit test starts no server and trains nothing."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import pytest

FOLDER = Path(__file__).parent
SERVERS = {"chromium", "gunicorn", "mlflow", "nanio", "postgres", "prefect", "uvicorn", "weed"}
"""Programs, and modules after `-m`, that listen."""
COMMANDS_THAT_LISTEN = {"serve", "up", "worker"}
"""Of `wgan`."""
MOST_STEPS = 24
"""Maximum optimizer steps in one test: enough to see what a step does, too few for a training."""
ELSEWHERE = "it belongs in tests/integration"


@dataclass
class Watched:
    """The running test, if any, and its optimizer steps."""

    running: bool = False
    steps: int = 0


_watched = Watched()


def _starts_a_server(command: Sequence[str]) -> bool:
    what = command[command.index("-m") + 1 :] if "-m" in command else command
    program = PurePath(what[0]).name
    return program in SERVERS or (program == "wgan" and not COMMANDS_THAT_LISTEN.isdisjoint(what[1:2]))


def _refuse_servers(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched.running:
        return
    if event == "socket.bind" and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        pytest.fail(f"A unit test opens no port, and this one binds {arguments[1]}: {ELSEWHERE}.")
    if event == "subprocess.Popen":
        command = [os.fsdecode(part) for part in arguments[1]]
        if _starts_a_server(command):
            pytest.fail(f"A unit test starts no server, and this one runs {' '.join(command)}: {ELSEWHERE}.")


def _refuse_training(*_: Any) -> None:
    _watched.steps += 1
    if _watched.running and _watched.steps > MOST_STEPS:
        pytest.fail(f"A unit test trains nothing, and this one takes over {MOST_STEPS} optimizer steps: {ELSEWHERE}.")


sys.addaudithook(_refuse_servers)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch each test of this folder and its fixtures; pytest also calls this for other folders' tests."""
    if FOLDER not in item.path.parents:
        return (yield)
    handle = None
    if "torch" in sys.modules:  # importing it takes seconds
        from torch.optim.optimizer import register_optimizer_step_pre_hook

        handle = register_optimizer_step_pre_hook(_refuse_training)
    _watched.running, _watched.steps = True, 0
    try:
        return (yield)
    finally:
        _watched.running = False
        if handle is not None:
            handle.remove()
