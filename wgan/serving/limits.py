"""Bounds on what a request may send: bytes, content types, time. Plain ASGI, so that a disconnect is still seen."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wgan.serving.errors import error_response
from wgan.settings import Settings

BODY_SECONDS = 10.0
"""How long a body may take to arrive."""
CONTENT_TYPES = ("application/json", "application/x-npy")


class BodyLimits:
    """Reads the body of every POST, within bounds, before anything else sees the request."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.most = settings.serve_body_bytes

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
            body = await asyncio.wait_for(_read(receive, self.most), BODY_SECONDS)
        except TimeoutError:
            await error_response(408, "too-slow", f"the body did not arrive within {BODY_SECONDS:g} s.")(
                scope, receive, send
            )
            return
        if body is None:
            return  # the client left
        if len(body) > self.most:
            await error_response(413, "too-large", f"a body may have at most {self.most} bytes.")(scope, receive, send)
            return
        media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
        if body and media_type not in CONTENT_TYPES:
            allowed = " or ".join(CONTENT_TYPES)
            await error_response(415, "content-type", f"send {allowed}, not {media_type[:64]!r}.")(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)


async def _read(receive: Receive, most: int) -> bytes | None:
    """The whole body, or one byte more than allowed; None when the client left."""
    body = bytearray()
    while True:
        message: MutableMapping[str, Any] = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            return bytes(body[: most + 1])
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body once, then whatever comes: a disconnect."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
