"""Limits on request bodies: bytes, content types, time. Plain ASGI, so that disconnects are still seen."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wgan.serving.errors import error_response
from wgan.serving.negotiation import media_type_of
from wgan.settings import Settings

BODY_SECONDS = 10.0
"""Seconds a body may take to arrive."""
BODIES = 8
"""Number of bodies of the largest size that may arrive concurrently; small ones always may."""
SMALL_BODY = 2**16


class _TooManyBodies(Exception):
    """The large bodies being received already hold too much memory."""


CONTENT_TYPES = ("application/json", "application/x-npy")


class BodyLimits:
    """Reads the body of every POST, within limits, before anything else sees the request."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.most = settings.serve_body_bytes
        self.arriving = 0
        """Bytes of large bodies still being received."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH", "DELETE"):
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.most:
            await error_response(413, "too-large", f"a body may have at most {self.most} bytes.")(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._read(receive)
        except TimeoutError:
            await error_response(408, "too-slow", f"the body did not arrive within {BODY_SECONDS:g} s.")(
                scope, receive, send
            )
            return
        except _TooManyBodies:
            message = "too many large bodies are arriving: try again in 1 s."
            await error_response(429, "queue-full", message, {"Retry-After": "1"})(scope, receive, send)
            return
        if body is None:
            return  # the client disconnected
        if len(body) > self.most:
            await error_response(413, "too-large", f"a body may have at most {self.most} bytes.")(scope, receive, send)
            return
        packing = headers.get(b"content-encoding", b"identity").strip().lower()
        if body and packing != b"identity":
            message = (
                f"a body is read as it is: send it without Content-Encoding, not {packing[:32].decode('latin-1')!r}."
            )
            await error_response(415, "content-encoding", message, {"Accept-Encoding": "identity"})(
                scope, receive, send
            )
            return
        media_type = media_type_of(headers.get(b"content-type", b"").decode("latin-1"))
        if body and media_type not in CONTENT_TYPES:
            allowed = " or ".join(CONTENT_TYPES)
            await error_response(415, "content-type", f"send {allowed}, not {media_type[:64]!r}.")(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body, or one byte more than allowed; None if the client disconnected."""
        body, held = bytearray(), 0
        try:
            while True:
                message: MutableMapping[str, Any] = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > self.most:
                    return bytes(body[: self.most + 1])
                if not message.get("more_body", False):
                    return bytes(body)
                if len(body) > SMALL_BODY:
                    self.arriving += len(body) - held
                    held = len(body)
                    if self.arriving > BODIES * self.most:
                        raise _TooManyBodies
        finally:
            self.arriving -= held


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return the body once, then whatever comes: a disconnect."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
