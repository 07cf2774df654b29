"""An ASGI application that reads every request to its end before it answers.

A server that refuses an upload by its head leaves the body on the connection, where it is taken for the next request.
"""

from __future__ import annotations

from wgan.guard.own_pages import Application, Message, Receive, Scope, Send


class WholeRequests:
    """The application behind; what it leaves of a request is read and dropped before its answer begins."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        read = False

        async def heard() -> Message:
            nonlocal read
            message = await receive()
            read = read or message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def told(message: Message) -> None:
            while message["type"] == "http.response.start" and not read:
                await heard()
            await send(message)

        await self._application(scope, heard, told)
