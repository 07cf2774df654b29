"""Runs only the embedded S3 server during a restore: the rest of the stack has no databases yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wgan.connection_file import CONNECTION_FILE
from wgan.errors import WganError
from wgan.settings import Settings, embedded_addresses
from wgan.stack import StackIsUp, overruling
from wgan.stack.credentials import connected, ensure_credentials
from wgan.stack.home import prepare_home
from wgan.stack.processes import (
    RunningServer,
    is_healthy,
    launch,
    log_end,
    owns_port,
    require_free_ports,
    stop,
    stop_strays,
)
from wgan.stack.servers import s3_server
from wgan.stack.state import hold_lock
from wgan.storage import Storage, open_storage

POLL_SECONDS = 0.05


def is_embedded(settings: Settings) -> bool:
    """Whether the configured bucket is on the home's own S3 server."""
    if (settings.home / CONNECTION_FILE).is_file():
        return "WGAN_S3_ENDPOINT_URL" not in dict(overruling(settings))
    own = embedded_addresses(settings)["s3_endpoint_url"]
    return settings.s3_endpoint_url == own and settings.s3_access_key_id is None


@contextmanager
def held_home(settings: Settings) -> Iterator[Path]:
    """Lock the home against `wgan up` during the block; creates it if needed and stops leftover servers.

    Raises `StackIsUp` if the home's stack is running.
    """
    home = settings.home.resolve()
    prepare_home(home)
    lock = hold_lock(home)
    if lock is None:
        raise StackIsUp(f"the stack in {home} is up: `wgan down` stops it; a restore needs an empty, stopped one.")
    with lock:
        stop_strays(home)
        yield home


@contextmanager
def open_bucket(settings: Settings, home: Path) -> Iterator[Storage]:
    """The configured bucket, created if needed; the home's own S3 server runs during the block.

    The home must be locked. Raises `WganError` if the port is taken or the server does not start.
    """
    if not is_embedded(settings):
        storage = open_storage(settings)
        storage.ensure_bucket()
        yield storage
        return
    credentials = ensure_credentials(home)
    server = s3_server(settings, credentials)
    require_free_ports([server])
    running = launch(server, home)
    try:
        _wait_until_healthy(running, settings.start_timeout)
        storage = open_storage(connected(settings, credentials))
        storage.ensure_bucket()
        yield storage
    finally:
        stop(running)


def _wait_until_healthy(running: RunningServer, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not (owns_port(running) and is_healthy(running.server)):
        ended = running.process.poll() is not None
        if ended or time.monotonic() > deadline:
            what = "ended while starting" if ended else f"did not become healthy within {timeout:g} s"
            raise WganError(f"{running.server.title} {what}; the end of its log:", log_end(running.log))
        time.sleep(POLL_SECONDS)
