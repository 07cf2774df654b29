"""An HTTP relay in front of an S3 server that returns errors, cuts answers short, or is down for a while."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Literal

from tests.drills.relay import Relay

Fault = Literal["InternalError", "SlowDown", "ExpiredToken", "InvalidAccessKeyId", "reset", "half"]
"""An S3 error code; `reset`: the connection is reset instead of an answer; `half`: in the middle of the answer."""
STATUS = {"InternalError": 500, "SlowDown": 503, "ExpiredToken": 403, "InvalidAccessKeyId": 403}
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST."""
Choose = Callable[[str], Fault | None]
"""The fault of a request, given as `PUT /bucket/key`; None: it is passed on."""


class FaultyS3:
    """Forwards every request unchanged except for the faults; the Host header too, so that signatures stay valid.

    Clients use `port`, which can be closed entirely.
    """

    def __init__(self, target: int) -> None:
        self.choose: Choose = lambda request: None
        self.seen: list[str] = []
        """Every request so far, as `PUT /bucket/key`."""
        self.faults: Counter[Fault] = Counter()
        self.outages: list[threading.Thread] = []
        self._trips: list[tuple[re.Pattern[str], Callable[[], None]]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, target))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.relay = Relay(self._server.server_address[1])
        self.port = self.relay.port

    def close(self) -> None:
        """Stop listening."""
        self.relay.take_away()
        self._server.shutdown()
        self._server.server_close()

    def at_first(self, pattern: str, act: Callable[[], None]) -> None:
        """Call `act` when the first request matches the pattern, before it is forwarded."""
        self._trips.append((re.compile(pattern), act))

    def away_at_first(self, pattern: str, seconds: float) -> None:
        """Be down for some time, starting with the first request that matches the pattern, which is reset."""
        self.at_first(pattern, lambda: away(self.relay, seconds, self.outages))

    def every_fifth(self, *faults: Fault) -> None:
        """Make one request in five fail, alternating between these faults."""
        numbers = count(1)

        def chosen(request: str) -> Fault | None:
            number = next(numbers)
            return faults[number // 5 % len(faults)] if number % 5 == 0 else None

        self.choose = chosen

    def heal(self) -> None:
        """Remove all faults and clear the counters."""
        for outage in self.outages:
            outage.join()
        self.outages.clear()
        self._trips.clear()
        self.choose = lambda request: None
        self.seen.clear()
        self.faults.clear()

    def fault_of(self, request: str) -> Fault | None:
        """Record a request; returns its fault, if any."""
        with self._lock:
            self.seen.append(request)
            due = [trip for trip in self._trips if trip[0].search(request)]
            self._trips = [trip for trip in self._trips if trip not in due]
            for _, act in due:
                act()
            fault = self.choose(request)
            if fault:
                self.faults[fault] += 1
            return fault


def away(relay: Relay, seconds: float, outages: list[threading.Thread]) -> None:
    """Close the relay at once, and reopen it after some time in a thread that is added to `outages`."""
    relay.take_away()

    def later() -> None:
        time.sleep(seconds)
        relay.bring_back()

    outages.append(threading.Thread(target=later))
    outages[-1].start()


def _handler(faulty: FaultyS3, target: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = faulty.fault_of(f"{self.command} {self.path}")
            if fault in STATUS:
                text = f"<?xml version='1.0'?><Error><Code>{fault}</Code><Message>a drill</Message></Error>".encode()
                self.answer(STATUS[fault], [("Content-Type", "application/xml")], text)
            elif fault == "reset":
                self.reset()
            else:
                with suppress(OSError):
                    self.answer(*self.ask(body), cut=fault == "half")

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815

        def ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", target, timeout=60)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("expect", "connection"):  # neither is signed
                        connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            finally:
                connection.close()

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes, cut: bool = False) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            given = {name.lower(): value for name, value in headers}
            length = given.get("content-length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.wfile.flush()
                self.reset()

        def reset(self) -> None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.connection.shutdown(socket.SHUT_RD)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    return Handler
