"""Adds to every response: request id, version, security headers, metrics, a log line, and a sentence for a bug."""

from __future__ import annotations

import logging
import time
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wgan.serving.catalogue import Entry
from wgan.serving.errors import error_response
from wgan.serving.infer import ALIAS_HEADER, MODEL_HEADER, VERSION_HEADER
from wgan.serving.logs import request_id
from wgan.serving.service import Service
from wgan.telemetry import current_span

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
HEADER_LETTERS = " !#$&'()*+,/:;=?@[]^`{|}"
"""Characters of a name, besides letters, digits and _.-~, that need no percent-encoding in a header."""
UNLOGGED_PATHS = ("/healthz", "/readyz", "/metrics")
"""Paths that are polled every few seconds and report their own errors, so they are not logged."""

log = logging.getLogger("wgan.serving")


class Instrumentation:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        identity = request_id(Headers(scope=scope).get("x-request-id"))
        state = scope.setdefault("state", {})
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._mark(MutableHeaders(scope=message), identity, state)
                # FastAPI's span of the request ends with the answer.
                current_span().note(request_id=identity, **state.get("drawn", {}))
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception:
            log.exception("a request failed unexpectedly", extra={"fields": {"request_id": identity}})
            if not status:
                message = f"an unexpected error; its log has the request id {identity}."
                await error_response(500, "unexpected", message)(scope, receive, sending)
        finally:
            self._note(scope, status or 499, time.perf_counter() - started, identity, state.get("drawn", {}))

    def _mark(self, headers: MutableHeaders, identity: str, state: dict[str, Any]) -> None:
        catalogue = self.service.catalogue
        entry: Entry | None = state.get("entry", catalogue.default)
        main = entry.follower.models.main if entry else None
        headers["X-Request-ID"] = identity
        headers[MODEL_HEADER] = quote(entry.name, safe=HEADER_LETTERS) if entry else "none"
        headers.setdefault(VERSION_HEADER, str(main.version.version) if main else "none")
        headers.setdefault(ALIAS_HEADER, quote(catalogue.alias, safe=HEADER_LETTERS))
        for name, value in SECURITY.items():
            headers.setdefault(name, value)

    def _note(self, scope: Scope, status: int, seconds: float, identity: str, drawn: dict[str, Any]) -> None:
        metrics, path = self.service.metrics, scope["path"]
        route = getattr(scope.get("route"), "path", "unknown")  # not the path: clients can make up any
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "other"
        metrics.requests.labels(route, method, str(status)).inc()
        metrics.request_seconds.labels(route).observe(seconds)
        if path in UNLOGGED_PATHS and status in (200, 503):
            return
        fields = {"request_id": identity, "method": scope["method"], "path": path, "status": status}
        log.info("request", extra={"fields": {**fields, "seconds": round(seconds, 4), **drawn}})
