"""The receiver: it takes signed notifications only, and hands on a burst as one."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest

from wgan.errors import WganError
from wgan.listening.app import MOST_BYTES, create_app
from wgan.listening.bursts import Bursts
from wgan.listening.notifications import Change

SECRET = "secret-of-the-store"
QUIET = 0.05


def notification(number: int = 0) -> bytes:
    named = {"bucket": {"name": "faces"}, "object": {"key": f"{number}.png"}}
    return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": named}]}).encode()


def answer(body: bytes, **headers: str) -> httpx.Response:
    async def post() -> httpx.Response:
        app = create_app(SECRET, Bursts(QUIET, lambda burst: None))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://listen") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.post("/notifications", content=body, headers=named)

    return asyncio.run(post())


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_a_bearer_token_or_a_signature_of_the_body_is_accepted() -> None:
    body = notification()
    assert answer(body, authorization=f"Bearer {SECRET}").status_code == 204
    assert answer(body, x_wgan_signature=signature(body)).status_code == 204


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer another"},
        {"authorization": f"Basic {SECRET}"},
        {"x_wgan_signature": signature(b"another body")},
        {"x_wgan_signature": signature(notification(), "another secret")},
    ],
)
def test_a_notification_without_either_is_refused(headers: dict[str, str]) -> None:
    refused = answer(notification(), **headers)
    assert refused.status_code == 401
    assert refused.text == "the notification is not signed with WGAN_LISTEN_TOKEN.\n"


def test_a_message_of_another_kind_is_one_sentence() -> None:
    refused = answer(b"{}", authorization=f"Bearer {SECRET}")
    assert (refused.status_code, refused.text.count("\n")) == (400, 1)


def test_a_message_that_is_too_long_is_not_read_to_its_end() -> None:
    assert answer(b" " * (MOST_BYTES + 1), authorization=f"Bearer {SECRET}").status_code == 413


Until = Callable[[int], Awaitable[None]]
"""Waits until so many bursts were handed on."""


def handed_on(play: Callable[[Bursts, Until], Awaitable[None]], failures: int = 0) -> list[set[str]]:
    """The keys of each burst that was handed on while `play` ran; the first `failures` times, that fails."""
    found: list[set[str]] = []
    failing = iter(range(failures))

    def keep(burst: frozenset[Change]) -> None:
        if next(failing, None) is not None:
            raise WganError("the server is down")
        found.append({change.key for change in burst})

    async def until(count: int) -> None:
        while len(found) < count:
            await asyncio.sleep(QUIET / 10)

    async def run() -> None:
        bursts = Bursts(QUIET, keep)
        running = asyncio.create_task(bursts.run())
        await play(bursts, until)
        running.cancel()
        await bursts.finish()

    asyncio.run(run())
    return found


def test_what_comes_without_a_pause_is_one_burst_and_an_object_counts_once() -> None:
    async def play(bursts: Bursts, until: Until) -> None:
        for key in ("1.png", "2.png", "1.png"):
            bursts.add([Change("faces", key)])
            await asyncio.sleep(0)
        await until(1)
        bursts.add([Change("faces", "3.png")])
        await until(2)

    assert handed_on(play) == [{"1.png", "2.png"}, {"3.png"}]


def test_what_could_not_be_handed_on_is_tried_again() -> None:
    async def play(bursts: Bursts, until: Until) -> None:
        bursts.add([Change("faces", "1.png")])
        await until(1)

    assert handed_on(play, failures=2) == [{"1.png"}]


def test_what_has_come_before_the_receiver_stops_is_handed_on() -> None:
    async def play(bursts: Bursts, until: Until) -> None:
        bursts.add([Change("faces", "1.png")])

    assert handed_on(play) == [{"1.png"}]
