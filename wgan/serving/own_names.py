"""Refuses requests for another host name: DNS rebinding can point a page's own name at this machine."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from wgan.addresses import THIS_MACHINE
from wgan.guard import LOOPBACK_NAMES, is_name_in
from wgan.serving.errors import error_response
from wgan.settings import Settings

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that load balancers and monitors request by IP address."""


class OwnNames:
    """Passes on requests addressed to one of the `names` (`host:port` or `host:*`)."""

    def __init__(self, app: ASGIApp, names: tuple[str, ...]) -> None:
        self.app = app
        self.names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and scope["path"] not in PROBES:
            hosts = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or not is_name_in(hosts[0], self.names):
                message = "this server does not accept the name in the Host header: WGAN_SERVE_NAMES lists its names."
                await error_response(421, "host", message)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def own_names(settings: Settings) -> tuple[str, ...]:
    """The host names of a process with these settings; empty allows any, as behind a proxy with unknown names."""
    configured = tuple(name.strip() for name in settings.serve_names.split(",") if name.strip())
    return configured or (LOOPBACK_NAMES if settings.serve_host in THIS_MACHINE else ())
