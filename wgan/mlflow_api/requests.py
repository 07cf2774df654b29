"""Requests to the MLflow server: complete, valid answers as frozen records, failures in one sentence.

A request is retried, at most twice, if its connection broke or the server was busy. That is safe because all requests
here are idempotent: a read changes nothing, and each write sets something (an alias, a tag, a description, a run's
status) to a value or deletes it. Another process may write in between; `wgan.registry.move` detects that, as any delay
of this process, by checking after each write.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict

from wgan.errors import WganError
from wgan.mlflow_server import (
    ABSENT,
    CONNECT_SECONDS,
    Answer,
    connection_options,
    reason_of,
    refusal,
    registry_address,
    validated,
)
from wgan.settings import Settings

SILENCE_SECONDS = 30.0
"""Read timeout in seconds: a busy server with a locked database is slow."""
ANSWER_SECONDS = 60.0
"""Timeout in seconds for a complete answer."""
ANSWER_BYTES = 2**27
"""Maximum bytes of an answer, such as a page of versions with their decisions."""
PAUSES = (0.2, 1.0)
"""Seconds before each retry."""
BUSY = (408, 429, 500, 502, 503, 504)
"""Status codes worth a retry; MLflow returns 500 when its database is locked."""
REMEDY = "start the embedded stack with `wgan up`, or set WGAN_MLFLOW_TRACKING_URI"

Method = Literal["GET", "POST", "PATCH", "DELETE"]


class Answered(BaseModel):
    """Part of an answer; other fields are ignored."""

    model_config = ConfigDict(frozen=True)


class Page(Answered):
    """Part of the results of a search."""

    next_page_token: str | None = None


PageAnswer = TypeVar("PageAnswer", bound=Page)


class Mlflow:
    """Connections to the configured MLflow server, closed at the end of the block."""

    def __init__(self, settings: Settings) -> None:
        """Opens no connection yet. Raises `WganError` if the setting is not a URL."""
        self.settings = settings
        self.where = registry_address(settings)
        limits = {"timeout": httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)}
        self._client = httpx.Client(**{**connection_options(settings), **limits})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def find(self, route: str, kind: type[Answer], **query: str) -> Answer | None:
        """What the server has; None if there is no such object, or the user may not see it.

        Raises `WganError`.
        """
        status, body = self._answer("GET", route, query)
        if status == httpx.codes.FORBIDDEN:
            return None  # MLflow's basic-auth answers so, without JSON, if it does not exist
        if status != httpx.codes.OK and refusal(self.where, status, body).error_code in ABSENT:
            return None
        return self._accepted(route, kind, status, body)

    def send(self, method: Method, route: str, kind: type[Answer], **arguments: Any) -> Answer:
        """Send a request and return its answer. Raises `WganError`."""
        status, body = self._answer(method, route, arguments)
        return self._accepted(route, kind, status, body)

    def every(self, method: Method, route: str, kind: type[PageAnswer], **arguments: Any) -> Iterator[PageAnswer]:
        """All pages of a search. Raises `WganError`."""
        seen: set[str] = set()
        page = self.send(method, route, kind, **arguments)
        yield page
        while token := page.next_page_token:
            if token in seen:
                raise WganError(f"the MLflow server at {self.where} keeps returning the same page of {route}.")
            seen.add(token)
            page = self.send(method, route, kind, **arguments, page_token=token)
            yield page

    def _accepted(self, route: str, kind: type[Answer], status: int, body: bytes) -> Answer:
        if status == httpx.codes.OK:
            return validated(self.where, route, kind, body)
        if status == httpx.codes.FORBIDDEN:
            said = " ".join(body[:200].decode(errors="replace").split())
            raise WganError(
                f"the MLflow server at {self.where} does not allow this user {route} ({said or 'status 403'}): "
                "set WGAN_MLFLOW_USERNAME and WGAN_MLFLOW_PASSWORD to one that may."
            )
        found = refusal(self.where, status, body)
        reason = " ".join(f"{found.error_code}: {found.message or f'status {status}'}".split())[:300].rstrip(".")
        raise WganError(f"the MLflow server at {self.where} failed: {reason}.")

    def _answer(self, method: Method, route: str, arguments: Mapping[str, Any]) -> tuple[int, bytes]:
        """Status and body of the last attempt."""
        for pause in PAUSES:
            try:
                status, body = self._once(method, route, arguments)
            except httpx.NetworkError as error:
                if isinstance(error, httpx.ConnectError):  # nothing is listening: report it at once
                    raise self._unreachable(error) from None
            except httpx.RemoteProtocolError:
                pass
            except httpx.HTTPError as error:
                raise self._unreachable(error) from None
            else:
                if status not in BUSY:
                    return status, body
            time.sleep(pause)
        try:
            return self._once(method, route, arguments)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _once(self, method: Method, route: str, arguments: Mapping[str, Any]) -> tuple[int, bytes]:
        url = f"{self.where}/api/2.0/mlflow/{route}"
        said: dict[str, Any] = {"params": arguments} if method == "GET" else {"json": arguments}
        until = time.monotonic() + ANSWER_SECONDS
        body = bytearray()
        with self._client.stream(method, url, **said) as response:
            for block in response.iter_bytes():
                body += block
                if len(body) > ANSWER_BYTES:
                    raise WganError(
                        f"{self.where} answers with more than {ANSWER_BYTES} bytes and is not an MLflow server."
                    )
                if time.monotonic() > until:
                    raise WganError(
                        f"the MLflow server at {self.where} did not answer completely within {ANSWER_SECONDS:g} s."
                    )
            return response.status_code, bytes(body)

    def _unreachable(self, error: httpx.HTTPError) -> WganError:
        return WganError(f"the MLflow server at {self.where} does not answer ({reason_of(error)}): {REMEDY}.")
