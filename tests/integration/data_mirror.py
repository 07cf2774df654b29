"""A real HTTP server on loopback that serves files, and on demand stalls, truncates, sends wrong bytes and fails."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from wgan.download.access import RetryPolicy

HASTY = RetryPolicy(connect_seconds=5, stall_seconds=0.3, attempts=3, backoff_seconds=0.01)
"""Time-outs for tests: as in production, only shorter."""


@dataclass
class Mirror:
    """The server's files, its faults, and the requests it received."""

    files: dict[str, bytes | Path] = field(default_factory=dict)
    """By path, without the leading slash."""
    faults: dict[str, deque[str | int]] = field(default_factory=lambda: defaultdict(deque))
    """By path, one for each coming request: stall, truncate, lie, endless, or a status code."""
    etags: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """`GET path -> status`."""
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def serve(self, path: str, content: bytes | Path, *faults: str | int) -> str:
        """Add a file, with a fault for each of the first requests; returns its URL."""
        self.files[path] = content
        self.faults[path].extend(faults)
        return f"{self.url}/{path}"


@contextmanager
def running_mirror() -> Iterator[Mirror]:
    """Run a mirror during the block."""
    mirror = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, mirror)

        def log_message(self, format: str, *arguments: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    mirror.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        mirror.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, mirror: Mirror) -> None:
    path = handler.path.partition("?")[0].lstrip("/")
    fault = mirror.faults[path].popleft() if mirror.faults[path] else None
    content = mirror.files.get(path)
    etag = mirror.etags.get(path)
    if isinstance(fault, int) or content is None:
        status = fault if isinstance(fault, int) else 404
    else:
        status = 304 if etag and handler.headers.get("If-None-Match") == etag else 200
    mirror.requests.append(f"GET {path} -> {status}")
    handler.send_response(status)
    if etag:
        handler.send_header("ETag", etag)
    if status != 200:
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    assert content is not None
    body = content.read_bytes() if isinstance(content, Path) else content
    if fault == "lie":
        body = bytes(byte ^ 0xFF for byte in body)
    if fault == "endless":  # no length announced, and no end
        handler.end_headers()
        _send_for_ever(handler, mirror)
        return
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if fault in ("stall", "truncate"):
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        if fault == "stall":
            mirror.closing.wait(30)
        handler.close_connection = True
        return
    handler.wfile.write(body)


def _send_for_ever(handler: BaseHTTPRequestHandler, mirror: Mirror) -> None:
    try:
        while not mirror.closing.is_set():
            handler.wfile.write(bytes(65536))
    except OSError:  # the client has had enough
        return
