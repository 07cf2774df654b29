"""Authentication: with API keys configured, every request except health checks needs one."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wgan.serving.errors import error_response
from wgan.serving.service import Service

PUBLIC_PATHS = frozenset({"/", "/playground", "/api", "/healthz", "/readyz", "/hooks/mlflow"})
"""Open paths: the pages, which ask for a key themselves; health, for load balancers; MLflow's signed webhook."""


class Authentication:
    """Refuses requests without a valid `Authorization: Bearer <key>` or `X-API-Key: <key>`."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        keys = self.service.keys
        if scope["type"] == "http" and keys.required and not _is_open(scope["path"]):
            key = sent_key(Headers(scope=scope))
            if not keys.accepts(key):
                self.service.metrics.rejected.labels("key").inc()
                message = "an API key is needed: send it as `Authorization: Bearer <key>`."
                await error_response(401, "api-key", message, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in PUBLIC_PATHS or path.startswith("/page/")


def sent_key(headers: Headers) -> str:
    """The key of a request; empty if there is none."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
