"""An ASGI application that reads every request to its end before it answers.

A server that refuses an upload by its headers leaves the body on the connection, where it is parsed as the next
request.
"""

from __future__ import annotations

from wgan.guard.own_pages import Application, Message, Receive, Scope, Send


class WholeRequests:
    """Wraps an application; the unread rest of a request is read and discarded before the response starts."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        read = False

        async def heard() -> Message:
            nonlocal read
            message = await receive()
            read = read or message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def send_after_request(message: Message) -> None:
            while message["type"] == "http.response.start" and not read:
                await heard()
            await send(message)

        await self._application(scope, heard, send_after_request)
