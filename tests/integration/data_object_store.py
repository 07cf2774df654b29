"""A real S3 server (nanio), and settings that give a test its own bucket in it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from wgan.settings import Settings
from wgan.storage import Storage, open_storage


@dataclass(frozen=True)
class ObjectStore:
    """The server's address, credentials and folder."""

    endpoint: str
    access_key: str
    secret_key: str
    folder: Path

    def settings(self, home: Path, **more: Any) -> Settings:
        """Settings of a new bucket, with `home` for the cache and two decoding processes."""
        settings = Settings(
            _env_file=None,
            home=home,
            s3_endpoint_url=self.endpoint,
            s3_access_key_id=self.access_key,
            s3_secret_access_key=SecretStr(self.secret_key),
            **{"bucket": f"test-{secrets.token_hex(6)}", "prepare_workers": 2, **more},
        )
        open_storage(settings).ensure_bucket()
        return settings


@contextmanager
def nanio_server(folder: Path) -> Iterator[ObjectStore]:
    """Run the server during the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = ObjectStore(f"http://127.0.0.1:{port}", secrets.token_hex(8), secrets.token_hex(16), folder)
    environment = {**os.environ, "NANIO_ACCESS_KEY": store.access_key, "NANIO_SECRET_KEY": store.secret_key}
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--no-access-log"]
    server = subprocess.Popen(
        [sys.executable, "-m", "nanio", "serve", "--data-dir", str(folder), *options], env=environment
    )
    try:
        _wait_until_it_answers(store.endpoint, server)
        yield store
    finally:
        server.terminate()
        server.wait()


def recorded_requests(storage: Storage) -> list[str]:
    """A list that grows with every request of the client: `GET key`."""
    requests: list[str] = []

    def record(request: Any, **_: object) -> None:
        path = httpx.URL(request.url).path.removeprefix(f"/{storage.bucket}")
        requests.append(f"{request.method} {path.lstrip('/')}")

    storage.client.meta.events.register("before-send.s3", record)
    return requests


def _wait_until_it_answers(endpoint: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "nanio ended"
        try:
            httpx.get(endpoint)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("nanio does not answer")
