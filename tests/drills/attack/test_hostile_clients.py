"""Hostile clients cost the server little and other clients nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
import pytest

from tests.drills.attack.hostile_client import answer, connected, post, sent
from tests.unit.serving.example_service import MODEL, NOBODY, write_version

WALK = "/v1/interpolate?from=1&to=2&frames=512&format=gif"
MEBIBYTE = 2**20
TAKEN_BY_THE_SYSTEM = 16 * MEBIBYTE
"""Bytes that fit into the socket buffers of both ends."""


@dataclass
class Target:
    """A real `wgan serve`."""

    process: subprocess.Popen[str]
    url: str

    def memory(self) -> int:
        """Resident bytes, including those of its child processes."""
        own = psutil.Process(self.process.pid)
        total = 0
        for each in (own, *own.children(recursive=True)):
            try:
                total += each.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total

    def cheap_seconds(self, number: int) -> list[float]:
        """Seconds that requests for one image take."""
        taken = []
        with httpx.Client(base_url=self.url, timeout=60) as client:
            for seed in range(number):
                started = time.perf_counter()
                status = client.post("/v1/images", json={"count": 1, "seed": seed}).status_code
                taken.append(time.perf_counter() - started)
                assert status == 200
        return taken


ENDLESS = f"Content-Type: application/json\r\nContent-Length: {2**40}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attacked")
    write_version(folder, 1, 1)
    return folder


@pytest.fixture
def target(cache: Path) -> Iterator[Target]:
    own = {"WGAN_CACHE_DIR": str(cache), "WGAN_MLFLOW_TRACKING_URI": NOBODY, "WGAN_SERVE_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "wgan", "serve", MODEL, "--port", "0"],
        env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split()[-1]
        deadline = time.monotonic() + 60
        while httpx.get(f"{url}/readyz").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield Target(process, url)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("begin", "block", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"x" * 2**16, b"431"),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"X-More: of them\r\n" * 4096, b"431"),
        (b"GET /healthz?", b"x" * 2**16, b"414"),
    ],
)
def test_an_endless_head_is_refused_and_not_buffered(target: Target, begin: bytes, block: bytes, status: bytes) -> None:
    before = target.memory()
    with connected(target.url) as connection:
        connection.sendall(begin)
        assert sent(connection, block, most=200 * MEBIBYTE) < TAKEN_BY_THE_SYSTEM
    assert target.memory() - before < TAKEN_BY_THE_SYSTEM
    with connected(target.url) as connection:
        connection.sendall((begin + block)[: 48 * 2**10])
        assert answer(connection).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("path", ["/", "/v1/interpolate?from=1&to=2&frames=2&format=gif", "/v1/model"])
def test_a_foreign_name_that_resolves_to_this_machine_is_refused(target: Target, path: str) -> None:
    assert httpx.get(target.url + path).status_code == 200
    answered = httpx.get(target.url + path, headers={"Host": f"foreign.example:{urlsplit(target.url).port}"})
    assert (answered.status_code, answered.json()["error"]["code"]) == (421, "host")


def test_a_connection_without_a_head_is_closed(target: Target) -> None:
    with connected(target.url, timeout=25) as silent, connected(target.url, timeout=25) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
        started = time.monotonic()
        assert answer(silent) == answer(slow) == b""
        assert time.monotonic() - started < 20


@pytest.mark.parametrize("path", ["/v1/images", "/nowhere"])
def test_a_refused_upload_is_not_read_further(target: Target, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{ENDLESS}\r\n\r\n"
    with connected(target.url) as connection:
        connection.sendall(head.encode())
        time.sleep(0.2)
        taken = sent(connection, b"x" * 2**16, most=200 * MEBIBYTE)
    assert taken < TAKEN_BY_THE_SYSTEM


def test_the_client_of_a_refused_upload_sees_the_reason(target: Target) -> None:
    head = f"POST /v1/images HTTP/1.1\r\nHost: localhost\r\n{ENDLESS}\r\n\r\n"
    with connected(target.url) as connection:
        connection.sendall(head.encode() + b"x" * 2**16)
        assert answer(connection).startswith(b"HTTP/1.1 413 ")


def test_unread_answers_and_unfinished_bodies_hold_little_memory(target: Target) -> None:
    """Total memory stays below twice the memory at rest."""
    target.cheap_seconds(20)
    rest = target.memory()
    most = rest
    ask = post("/v1/images", b'{"count": 512}', "Accept: application/x-npy")
    with ExitStack() as open_ones:
        for number in range(120):
            connection = open_ones.enter_context(connected(target.url))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            if number % 2:
                connection.sendall(ask * 3)
            else:
                head = f"POST /v1/decode HTTP/1.1\r\nHost: localhost\r\nContent-Length: {4 * MEBIBYTE}\r\n\r\n"
                connection.settimeout(1)
                try:
                    connection.sendall(head.encode() + b"[" * (4 * MEBIBYTE - 1))
                except OSError:
                    continue
            most = max(most, target.memory())
        for _ in range(20):
            time.sleep(0.1)
            most = max(most, target.memory())
        target.cheap_seconds(5)
    print({"rest_mib": rest // MEBIBYTE, "attacked_mib": most // MEBIBYTE})
    assert most <= 2 * rest


def test_cheap_requests_stay_fast_while_walks_are_requested(target: Target) -> None:
    target.cheap_seconds(30)
    alone = float(np.percentile(target.cheap_seconds(200), 99))
    stopped, statuses = threading.Event(), set[int]()

    def ask_for_walks() -> None:
        with httpx.Client(base_url=target.url, timeout=60) as client:
            while not stopped.is_set():
                statuses.add(client.get(WALK).status_code)

    walkers = [threading.Thread(target=ask_for_walks) for _ in range(24)]
    for walker in walkers:
        walker.start()
    try:
        time.sleep(2)
        during = float(np.percentile(target.cheap_seconds(200), 99))
    finally:
        stopped.set()
        for walker in walkers:
            walker.join()
    print({"p99_alone_ms": round(1000 * alone, 1), "p99_during_ms": round(1000 * during, 1), "statuses": statuses})
    assert statuses <= {200, 429, 503}
    assert during < 3 * max(alone, 0.02)


def test_a_disconnected_client_stops_its_encoding_and_sigterm_is_quick(target: Target) -> None:
    head = f"GET {WALK} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    for _ in range(4):
        with connected(target.url) as connection:
            connection.sendall(head)
            time.sleep(0.3)
    assert max(target.cheap_seconds(3)) < 2
    with connected(target.url) as connection:
        connection.sendall(head)
        time.sleep(0.5)
    target.process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    assert target.process.wait(30) == 0
    assert time.monotonic() - started < 10
