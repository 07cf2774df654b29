"""The application: one route for notifications, and one for health checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request, Response

from wgan import __version__
from wgan.listening.authentic import is_authentic
from wgan.listening.bursts import Bursts
from wgan.listening.notifications import NotANotification, changes_of

ROUTE = "/notifications"
MOST_BYTES = 2**20
"""Of a notification; a store sends some kilobytes."""


def create_app(secret: str, bursts: Bursts) -> FastAPI:
    """The application; its lifespan hands on the bursts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        handing_on = asyncio.create_task(bursts.run(), name="bursts")
        try:
            yield
        finally:
            handing_on.cancel()
            with suppress(asyncio.CancelledError):
                await handing_on
            await bursts.finish()

    app = FastAPI(title="WGAN listen", version=__version__, openapi_url=None, lifespan=lifespan)

    @app.post(ROUTE)
    async def notify(request: Request) -> Response:
        body = await _read(request)
        if body is None:
            return _refusal(413, f"a notification has at most {MOST_BYTES:,} bytes.")
        if not is_authentic(request.headers, body, secret):
            return _refusal(401, "the notification is not signed with WGAN_LISTEN_TOKEN.")
        try:
            bursts.add(changes_of(body))
        except NotANotification as reason:
            return _refusal(400, f"this is no notification: {reason}.")
        return Response(status_code=204)

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


async def _read(request: Request) -> bytes | None:
    """The body; None if it is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return body


def _refusal(status: int, sentence: str) -> Response:
    return Response(f"{sentence}\n", status, media_type="text/plain")
