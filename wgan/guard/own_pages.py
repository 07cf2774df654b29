"""An ASGI application that accepts only requests from its own pages, addressed to its own names.

A browser sends the page's origin with every state-changing request and every websocket, and the requested host name
with every request. So a foreign page is recognised by its origin, and a foreign name that points at this machine by the
name. Programs send no origin; the login authenticates them.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from importlib import resources
from typing import Any

from wgan.guard.names import is_name_in, with_port

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SIGN_IN = "/sign-in"
"""Its fragment is `#token&/page`: the page stores the token for Prefect's own pages, and opens /page."""
POLICY_VIOLATION = 1008
PAGE_POLICY = "default-src 'none'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def basic_token(login: str) -> str:
    """`user:password` encoded for an Authorization header, after `Basic `."""
    return base64.b64encode(login.encode()).decode()


class OwnPages:
    """Wraps an application with these checks. `names`: allowed `host:port` or `host:*`; `probes`: paths for any name.

    A probe only answers health checks, which use a container's address as the name.
    """

    def __init__(self, application: Application, names: Collection[str], probes: Collection[str] = ()) -> None:
        self._application = application
        self._names = frozenset(name.lower() for name in names)
        self._probes = frozenset(probes)
        self._sign_in = resources.files("wgan.guard").joinpath("sign_in.html").read_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
        elif (reason := self._refusal(scope)) is not None:
            await _refuse(scope, receive, send, reason)
        elif scope["type"] == "http" and scope["path"] == SIGN_IN:
            await answer(send, 200, "text/html; charset=utf-8", self._sign_in)
        else:
            await self._application(scope, receive, _unframed(send))

    def _refusal(self, scope: Scope) -> str | None:
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in self._probes and not origins:
            return None
        if len(hosts) != 1 or not is_name_in(hosts[0], self._names):
            return "This server does not accept the host name in the request's Host header."
        if origins and not (len(origins) == 1 and self._is_own_page(origins[0], hosts[0])):
            return "Requests from other pages are refused."
        return None

    def _is_own_page(self, origin: str, host: str) -> bool:
        """Whether it is a page of this server: under the requested name, or another of its names.

        On loopback the port matters: the same name with another port is another server.
        """
        scheme, separator, _ = origin.partition("://")
        if not separator or scheme not in ("http", "https"):
            return False
        page = with_port(origin)
        same_port = page.rpartition(":")[2] == with_port(f"{scheme}://{host}").rpartition(":")[2]
        return page in self._names or (same_port and is_name_in(page, self._names))


def _values(scope: Scope, name: bytes) -> list[str]:
    headers: Iterable[tuple[bytes, bytes]] = scope.get("headers", ())
    return [value.decode("latin-1").lower() for key, value in headers if key == name]


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})
    else:
        await answer(send, 403, "text/plain; charset=utf-8", f"{reason}\n".encode())


async def answer(send: Send, status: int, kind: str, body: bytes) -> None:
    """Send a whole answer of the guard's own, which no other page may frame or keep."""
    headers = {
        "content-type": kind,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "content-security-policy": PAGE_POLICY,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def _unframed(send: Send) -> Send:
    """Forbid other pages to frame this server's pages."""

    async def framed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"x-frame-options", b"SAMEORIGIN")]
        await send(message)

    return framed
