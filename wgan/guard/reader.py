"""A second login for Prefect's API that may only list: the server itself has one login, which may do everything."""

from __future__ import annotations

import hmac

from wgan.guard.own_pages import Application, Receive, Scope, Send, answer, basic_token

LISTS = ("/api/flow_runs/filter", "/api/deployments/filter", "/api/artifacts/filter")
"""What the reader may ask for: serving's front page needs these."""


class Reader:
    """Wraps an application that asks for `login`: who comes as `reader` may send POST to `LISTS`, and nothing else.

    Both are `user:password`. Every other request reaches the application as it came.
    """

    def __init__(self, application: Application, reader: str, login: str) -> None:
        self._application = application
        self._reader = _header(reader)
        self._login = _header(login)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the application's login if it is one of the reader's; or refuse it."""
        headers = list(scope.get("headers", ()))
        given = [value for name, value in headers if name == b"authorization"]
        if scope["type"] != "http" or not any(hmac.compare_digest(value, self._reader) for value in given):
            await self._application(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"] in LISTS:
            kept = [(name, value) for name, value in headers if name != b"authorization"]
            passed = {**scope, "headers": [*kept, (b"authorization", self._login)]}
            await self._application(passed, receive, send)
        else:
            await answer(send, 403, "text/plain; charset=utf-8", b"This login may only list runs and deployments.\n")


def _header(login: str) -> bytes:
    return f"Basic {basic_token(login)}".encode()
