"""Listen, serve, and shut down gracefully: SIGTERM or Ctrl-C stops accepting, finishes open requests, exits with 0."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from wgan.errors import UsageError
from wgan.serving.app import create_app
from wgan.serving.connection import BoundedConnection
from wgan.serving.logs import log_as_json
from wgan.serving.own_names import own_names
from wgan.serving.service import make_service
from wgan.settings import Settings
from wgan.telemetry import start_telemetry

SIGNALS = (signal.SIGTERM, signal.SIGINT)
IDLE_SECONDS = 30
"""Seconds an idle connection is kept open."""
BACKLOG = 1024


class Server(uvicorn.Server):
    """uvicorn's server, which exits normally, not by signal, when asked to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM or SIGINT; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


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
        host, port = sock.getsockname()[:2]
        listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        Server(config).run(sockets=[sock])


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises `UsageError` if that fails."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except PermissionError:
        reason = "is reserved to the administrator: choose one above 1023 with --port or WGAN_SERVE_PORT"
    except OSError as error:
        reason = f"cannot be listened on ({error.strerror}): choose another with --port or WGAN_SERVE_PORT"
    else:
        sock.listen(BACKLOG)
        sock.set_inheritable(True)
        return sock
    sock.close()
    raise UsageError(f"port {port} of {host} {reason}.")
