"""The guard in front of Prefect's server accepts only its own pages under its own names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wgan.guard import OwnPages, names_of
from wgan.guard.own_pages import Message, Receive, Scope, Send

NAMES = names_of("https://prefect.example.org", "http://lan.example.org:8200/api")


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def status(method: str = "GET", path: str = "/", **headers: str | list[str]) -> int:
    """The status of the answer to a request with these headers."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    pairs = [
        (name.encode(), value.encode())
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    scope = {"type": "http", "method": method, "path": path, "headers": pairs}
    asyncio.run(OwnPages(behind, NAMES, probes=("/api/ready",))(scope, receive, send))  # type: ignore[arg-type]
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1:4200", "LOCALHOST:4200", "localhost", "prefect.example.org", "lan.example.org:8200"]
)
def test_its_own_names_are_accepted(host: str) -> None:
    assert status(host=host) == 204


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example:4200",
        "127.0.0.1:4200@evil.example",
        "127.0.0.1:x",
        "lan.example.org",
        "",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    assert status(host=host) == 403


def test_a_request_without_a_name_or_with_two_is_refused() -> None:
    assert status() == 403
    assert status(host=["127.0.0.1:4200", "evil.example"]) == 403


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:4200", "http://localhost:4200"),
        ("127.0.0.1:4200", "https://prefect.example.org"),
        ("prefect.example.org", "https://prefect.example.org"),
        ("lan.example.org:8200", "http://lan.example.org:8200"),
    ],
)
def test_its_own_pages_are_accepted(host: str, origin: str) -> None:
    assert status("POST", host=host, origin=origin) == 204


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1:8080",
        "chrome-extension://localhost:4200",
        "http://[",
        "http://a:b",
    ],
)
def test_other_pages_are_refused(origin: str) -> None:
    assert status("POST", host="127.0.0.1:4200", origin=origin) == 403


def test_a_probe_may_name_any_host_and_a_page_may_not_probe() -> None:
    assert status(path="/api/ready", host="10.1.2.3:4200") == 204
    assert status(path="/api/ready", host="10.1.2.3:4200", origin="http://evil.example") == 403
    assert status("POST", path="/api/ready", host="10.1.2.3:4200") == 403


def test_a_websocket_is_refused_before_it_opens() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "websocket", "path": "/", "headers": [(b"host", b"evil.example")]}
    asyncio.run(OwnPages(behind, NAMES)(scope, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]
