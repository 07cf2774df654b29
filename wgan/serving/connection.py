"""A client's connection: uvicorn's, with limits on the size and duration of what it sends."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from wgan.serving.errors import error_response

URL_BYTES = 8 * 2**10
HEAD_BYTES = 32 * 2**10
"""Maximum bytes of request line and headers together."""
HEAD_SECONDS = 10.0
"""Seconds from the connection, or a request's first byte, to the end of its headers."""
SEND_SECONDS = 60.0
"""Seconds a response may take if the client reads it slowly."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 2**20
"""Limits for draining a request that was answered early, so that the client sees the response."""


class BoundedConnection(HttpToolsProtocol):
    """Enforces these limits: buffers no more data and waits for no client longer."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._refused: tuple[int, str, str] | None = None
        self._in_head = True
        self._finished = 0
        """Number of requests received completely."""
        self._head_bytes = 0
        """Bytes of received blocks that belong only to an incomplete head."""
        self._header_bytes = 0
        self._url_bytes = 0
        self._lingered: int | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the client's first request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        for timer in (self._head_timer, self._send_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Handle bytes of a request, possibly one that was already answered."""
        if self._lingered is not None:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.transport.abort()
            return
        was_in_head, finished = self._in_head, self._finished
        super().data_received(data)
        if not self._in_head or self._lingered is not None or self.transport.is_closing():
            return
        if was_in_head and finished == self._finished:  # all of it belongs to an incomplete head
            self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            self._refuse_head()
            self.send_400_response("")
        elif self.cycle is None or self.cycle.response_complete:
            self._await_head()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head, self._head_bytes, self._header_bytes, self._url_bytes = True, 0, 0, 0
        self._await_head()

    def on_url(self, url: bytes) -> None:
        """A part of the request's address."""
        self._url_bytes += len(url)
        if self._url_bytes > URL_BYTES:
            self._refused = (414, "too-long", f"an address may have at most {URL_BYTES} bytes.")
            raise ValueError("the address is too long")
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEAD_BYTES:
            self._refuse_head()
            raise ValueError("the headers are too long")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request can be answered."""
        self._in_head, self._head_bytes = False, 0
        self._head_timer = _cancelled(self._head_timer)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The end of a request."""
        self._in_head = True
        self._finished += 1
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The response is written: stop a client that is still sending its request."""
        if self.cycle.more_body and not self.transport.is_closing():
            self._linger()
            return
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reader()
        elif not self.flow.write_paused:
            self._send_timer = _cancelled(self._send_timer)

    def pause_writing(self) -> None:
        """The client reads more slowly than the response is written."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self._send_timer = _cancelled(self._send_timer)

    def timeout_keep_alive_handler(self) -> None:
        """The connection was idle for a while."""
        super().timeout_keep_alive_handler()
        self._await_reader()

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed or oversized request, and close."""
        if self.cycle is not None and not self.cycle.response_complete:  # another response is being written
            self._abort()
            return
        status, code, message = self._refused or (400, "http", "this is no HTTP request.")
        answer = error_response(status, code, message, {"Connection": "close"})
        head = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + bytes(answer.body))
        self._linger()

    def _refuse_head(self) -> None:
        self._refused = (431, "too-long", f"a request's headers may have at most {HEAD_BYTES} bytes.")

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _await_reader(self) -> None:
        if self._send_timer is None:
            self._send_timer = self.loop.call_later(SEND_SECONDS, self._abort)

    def _linger(self) -> None:
        self._lingered = 0
        self._head_timer = _cancelled(self._head_timer)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._linger_timer = self.loop.call_later(LINGER_SECONDS, self._end_lingering)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.flow.read_paused:  # not the client's fault: it waits for an earlier response
            self._await_head()
        else:
            self._abort()

    def _end_lingering(self) -> None:
        if self.transport.get_write_buffer_size():
            self._await_reader()
        else:
            self._abort()

    def _abort(self) -> None:
        self.transport.abort()


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """No timer."""
    if timer is not None:
        timer.cancel()
    return None
