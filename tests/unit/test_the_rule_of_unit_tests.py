"""Forbidden actions of a unit test fail with a sentence that says where such a test belongs."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
import torch


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_opening_a_port_fails(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as own, pytest.raises(pytest.fail.Exception, match=r"no port.*tests/integration"):
        own.bind((host, 0))


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "nanio", "serve"],
        ["/usr/bin/postgres", "-D", "data"],
        [sys.executable, "-m", "wgan", "serve", "generator-digits"],
        ["wgan", "up", "--detach"],
    ],
)
def test_starting_a_server_fails(command: list[str]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"no server.*tests/integration"):
        subprocess.Popen(command)


def test_a_few_optimizer_steps_pass_and_a_training_fails() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    weight.grad = torch.ones(1)
    for _ in range(24):
        optimizer.step()
    with pytest.raises(pytest.fail.Exception, match=r"trains nothing.*tests/integration"):
        optimizer.step()
