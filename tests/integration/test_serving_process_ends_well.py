"""A real `wgan serve` process: when stopped, it finishes open requests; a disconnected client costs nothing more."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.unit.serving.example_service import MODEL, NOBODY

Process = tuple[subprocess.Popen[str], str]


@pytest.fixture
def server(served_cache: Path, tmp_path: Path) -> Iterator[Process]:
    own = {"WGAN_CACHE_DIR": str(served_cache), "WGAN_MLFLOW_TRACKING_URI": NOBODY, "WGAN_SERVE_MAX_BATCH": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "wgan", "serve", MODEL, "--port", "0"],
        env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split()[-1]
        until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        yield process, url
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until(condition: object) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def connected(url: str, body: bytes, length: int) -> socket.socket:
    """A request of which only `body` is sent, although its length is larger."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port))
    kind = "Content-Type: application/json"
    head = f"POST /v1/images HTTP/1.1\r\nHost: localhost\r\n{kind}\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def is_closed(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) != 0


def test_sigterm_finishes_the_current_request_and_exits_with_0(server: Process) -> None:
    process, url = server
    body = b'{"count": 3, "seed": 7}'
    with connected(url, body[:5], len(body)) as connection:
        time.sleep(0.2)  # the head has arrived
        process.send_signal(signal.SIGTERM)
        until(lambda: is_closed(url))
        connection.sendall(body[5:])
        assert connection.recv(64).startswith(b"HTTP/1.1 200 OK")
    assert process.wait(30) == 0


def test_nothing_more_is_drawn_for_a_disconnected_client(server: Process) -> None:
    _, url = server
    body = b'{"count": 512}'
    connected(url, body, len(body)).close()

    def abandoned() -> bool:
        lines = httpx.get(f"{url}/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith("wgan_abandoned_images_total")).split()[1]) > 0

    until(abandoned)
