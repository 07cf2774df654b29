"""A server process that finishes its open requests and exits with 0 when SIGTERM or Ctrl-C stops it."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from wgan.errors import UsageError

SIGNALS = (signal.SIGTERM, signal.SIGINT)
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


def listen(host: str, port: int, chosen_by: str = "--port or WGAN_SERVE_PORT") -> socket.socket:
    """A socket bound to the address. Raises `UsageError`, which says what the port is chosen by, if that fails."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except PermissionError:
        reason = f"is reserved to the administrator: choose one above 1023 with {chosen_by}"
    except OSError as error:
        reason = f"cannot be listened on ({error.strerror}): choose another with {chosen_by}"
    else:
        sock.listen(BACKLOG)
        sock.set_inheritable(True)
        return sock
    sock.close()
    raise UsageError(f"port {port} of {host} {reason}.")


def address_of(sock: socket.socket) -> str:
    """The URL of what a socket listens on."""
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
