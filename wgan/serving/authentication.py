"""Who may ask: with API keys configured, everything but health needs one."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wgan.serving.errors import refusal
from wgan.serving.service import Service

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/hooks/mlflow"})
"""Health, for load balancers; and MLflow's webhook, which is signed with a secret of its own."""


class Authentication:
    """Refuses requests without a valid `Authorization: Bearer <key>` or `X-API-Key: <key>`."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        keys = self.service.keys
        if scope["type"] == "http" and keys.required and scope["path"] not in OPEN_PATHS:
            key = _key(Headers(scope=scope))
            if not keys.accepts(key):
                self.service.metrics.rejected.labels("key").inc()
                message = "an API key is needed: send it as `Authorization: Bearer <key>`."
                await refusal(401, "api-key", message, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _key(headers: Headers) -> str:
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
