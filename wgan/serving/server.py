"""Serves models until it is stopped."""

from __future__ import annotations

from collections.abc import Callable

import uvicorn

from wgan.serving.app import create_app
from wgan.serving.connection import BoundedConnection
from wgan.serving.logs import log_as_json
from wgan.serving.own_names import own_names
from wgan.serving.process import BACKLOG, Server, address_of, listen
from wgan.serving.service import make_service
from wgan.settings import Settings
from wgan.telemetry import start_telemetry

IDLE_SECONDS = 30
"""Seconds an idle connection is kept open."""


def serve(names: tuple[str, ...], alias: str, settings: Settings, listening: Callable[[str], None]) -> None:
    """Serve the named models, or all that have the alias, until it is stopped.

    `listening` is called with the address once connections are accepted.

    Raises `UsageError` if the port is taken or a setting is invalid, `WganError` if traces are asked for and cannot be
    sent.
    """
    start_telemetry("wgan-serving")
    with listen(settings.serve_host, settings.serve_port) as sock:
        app = create_app(make_service(names, alias, settings), own_names(settings))
        log_as_json()
        config = uvicorn.Config(
            app,
            http=BoundedConnection,
            limit_concurrency=settings.serve_connections,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=round(settings.serve_request_seconds) + 5,
            backlog=BACKLOG,
        )
        listening(address_of(sock))
        Server(config).run(sockets=[sock])
