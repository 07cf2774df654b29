"""Which process occupies a port of the embedded servers."""

from __future__ import annotations

import os
import socket

import pytest

from wgan.stack.processes import port_obstacle


@pytest.mark.parametrize("interface", ["127.0.0.1", "0.0.0.0"])
def test_a_port_is_taken_on_any_interface(free_port: int, interface: str) -> None:
    assert port_obstacle(free_port) is None
    with socket.create_server((interface, free_port)):
        assert f"taken by process {os.getpid()} " in (port_obstacle(free_port) or "")
    assert port_obstacle(free_port) is None
