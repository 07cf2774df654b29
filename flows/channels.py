"""The addresses of WGAN_NOTIFY_URL: plain webhooks, which get JSON, and services that Apprise knows.

Prefect's notification blocks use Apprise too, but send no pictures, and the Prefect server would store the address.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from apprise import Apprise, AppriseAttachment, NotifyBase, NotifyType
from apprise.attachment.memory import AttachMemory

from wgan.errors import UsageError

ANSWER_SECONDS = 10.0
BETWEEN = re.compile(r"[\s,]+(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
"""Separates addresses; a comma inside one does not."""
KINDS = {
    "promoted": NotifyType.SUCCESS,
    "Failed": NotifyType.FAILURE,
    "Crashed": NotifyType.FAILURE,
    "refused": NotifyType.WARNING,
    "Not done": NotifyType.WARNING,
}
"""State of a message → Apprise's colour for it."""

Message = dict[str, Any]
Picture = Callable[[], bytes | None]
"""Returns a PNG of both grids; None if the message has no picture."""

# Its messages contain parts of the addresses.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Channel:
    """One address. `send` returns why a message was not accepted; an empty text if it was."""

    place: int
    """Place among the addresses, from 1."""
    kind: str
    """Its scheme, the only part of the address that may be shown."""
    send: Callable[[Message, Picture], str]

    def __str__(self) -> str:
        return f"address {self.place} of WGAN_NOTIFY_URL ({self.kind}://)"


def open_channels(addresses: str) -> tuple[Channel, ...]:
    """The channels of WGAN_NOTIFY_URL, whose addresses are separated by spaces, commas or line breaks.

    Raises `UsageError` that names the address by its place, since it may contain a token.
    """
    return tuple(_open(place, address) for place, address in enumerate(BETWEEN.split(addresses.strip()), start=1))


def _open(place: int, address: str) -> Channel:
    address = address.strip(" ,\t\r\n")
    kind = address.partition("://")[0].lower()
    service = Apprise.instantiate(address, suppress_exceptions=True)
    if isinstance(
        service, NotifyBase
    ):  # also the web addresses of Slack, Teams, Discord …, which expect their own JSON
        return Channel(place, kind, lambda message, picture: _by_apprise(service, message, picture))
    if kind in ("http", "https") and _is_url(address):
        return Channel(place, kind, lambda message, picture: _post(address, message))
    raise UsageError(
        f"address {place} of WGAN_NOTIFY_URL is neither a web address, http(s)://…, nor complete for a service that "
        "Apprise knows: https://appriseit.com/services/ lists how they are written."
    )


def _is_url(address: str) -> bool:
    try:
        return bool(httpx.URL(address).host)
    except httpx.InvalidURL:
        return False


def _post(address: str, message: Message) -> str:
    try:
        httpx.post(address, json=message, timeout=ANSWER_SECONDS).raise_for_status()
    except httpx.HTTPStatusError as error:
        return f"status {error.response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__  # the error's message contains the address
    return ""


def _by_apprise(service: NotifyBase, message: Message, picture: Picture) -> str:
    sender = Apprise()
    sender.add(service)
    shown = picture() if service.attachment_support else None
    attached = AppriseAttachment()
    if shown is not None:
        attached.add(AttachMemory(content=shown, name="samples.png", mimetype="image/png"))
    accepted = sender.notify(
        title=f"{message['what']}: {message['state']}",
        body="\n\n".join(text for text in (message["reason"], message["link"]) if text) or message["event"],
        notify_type=KINDS.get(message["state"], NotifyType.INFO),
        attach=attached if shown is not None else None,
    )
    return "" if accepted else "the service refused it or does not answer"
