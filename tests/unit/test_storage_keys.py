"""Keys that not every S3 store accepts are never sent; a refused upload is read to its end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from wgan.errors import StorageError
from wgan.guard import WholeRequests
from wgan.storage import Storage
from wgan.storage.keys import key_obstacle


class Store:
    """A client that only reads, and refuses as the embedded store does."""

    meta = SimpleNamespace(endpoint_url="http://127.0.0.1:9000")

    def head_object(self, **arguments: str) -> None:
        raise ClientError(
            {"Error": {"Code": "400"}, "ResponseMetadata": cast(Any, {"HTTPStatusCode": 400})}, "HeadObject"
        )


STORAGE = Storage(cast(Any, Store()), "wgan")
AWKWARD = [
    "",
    "a//b",
    "/a",
    "a/",
    "a/./b",
    "a/../b",
    "a%20b",
    "a%2fb",
    "a\nb",
    "a\x7f",
    "a/" + "n" * 300,
    "a/" * 600 + "b",
]


@pytest.mark.parametrize("key", ["a/b.png", "a b", "ä/é", "100%", "50%+x", "a%zz", ".hidden", "a..b", "a\\b", "a?b#c"])
def test_a_key_that_every_store_accepts_has_no_obstacle(key: str) -> None:
    assert key_obstacle(key) is None


@pytest.mark.parametrize("key", AWKWARD, ids=lambda key: repr(key[:8]))
def test_an_awkward_key_is_refused_in_one_line_before_a_request(key: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    for write in (lambda: STORAGE.put_bytes(key, b"content"), lambda: STORAGE.put_file(key, file)):
        with pytest.raises(StorageError, match=r"is not written: its key .* not every object store accepts") as error:
            write()
        assert len(str(error.value).splitlines()) == 1


def test_a_store_that_rejects_such_a_key_is_reported_with_the_reason() -> None:
    with pytest.raises(StorageError, match="its key begins or ends with /, or has //"):
        STORAGE.exists("a//b")


def test_a_request_is_read_to_its_end_before_the_answer_begins() -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 400})
        await send({"type": "http.response.body", "body": b""})

    order: list[str] = []
    parts = iter([True, True, False])

    async def receive() -> Any:
        order.append("read")
        return {"type": "http.request", "body": b"x", "more_body": next(parts)}

    async def send(message: Any) -> None:
        order.append(message["type"])

    asyncio.run(WholeRequests(refuse)({"type": "http"}, receive, send))
    assert order == ["read", "read", "read", "http.response.start", "http.response.body"]


def test_a_disconnected_client_is_not_waited_for() -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 400})

    asked = []

    async def receive() -> Any:
        asked.append("once")
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    asyncio.run(WholeRequests(refuse)({"type": "http"}, receive, send))
    assert asked == ["once"]
