"""HEAD: GET's response without its body, for cheap routes."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CHEAP_PATHS = re.compile(
    r"/|/(playground|api|healthz|readyz|metrics|openapi\.json|page/.*|v1/overview|v1/models?|v1/models/[^/]+(/model)?)"
)


class HeadRequests:
    """Calls the application with GET and drops the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or not _is_cheap(scope["path"]):
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        asked = {**scope, "method": "GET"}  # a copy: the server itself must still see HEAD
        try:
            await self.app(asked, receive, without_body)
        finally:
            scope["route"] = asked.get("route")


def _is_cheap(path: str) -> bool:
    return CHEAP_PATHS.fullmatch(path) is not None
