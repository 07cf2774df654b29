"""Listens for notifications until it is stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import uvicorn

from wgan.durations import counted
from wgan.errors import UsageError
from wgan.listening.app import ROUTE, create_app
from wgan.listening.bursts import Bursts
from wgan.listening.notifications import Change
from wgan.prefect_server.arrivals import announce_arrivals
from wgan.prefect_server.client import PrefectServer
from wgan.serving.process import Server, address_of, listen
from wgan.settings import Settings

log = logging.getLogger(__name__)


def listen_for_notifications(host: str, port: int, settings: Settings, listening: Callable[[str], None]) -> None:
    """Take notifications until SIGTERM or Ctrl-C; `listening` is called with their address.

    Raises `UsageError` without WGAN_LISTEN_TOKEN, or if the port is taken.
    """
    if settings.listen_token is None:
        raise UsageError(
            "set WGAN_LISTEN_TOKEN to a secret of at least 16 characters, which the object store sends with each "
            "notification."
        )
    bursts = Bursts(settings.listen_quiet_seconds, partial(_hand_on, settings))
    with listen(host, port, "--port") as sock:
        app = create_app(settings.listen_token.get_secret_value(), bursts)
        listening(address_of(sock) + ROUTE)
        Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)).run(sockets=[sock])


def _hand_on(settings: Settings, burst: frozenset[Change]) -> None:
    with PrefectServer(settings) as server:
        started = announce_arrivals(server, {(change.bucket, change.key) for change in burst})
    names = ", ".join(started) or "no schedule"
    log.info("%s changed: %s to start.", counted(len(burst), "object"), names)
