"""A connection to the Prefect server: address, login, retries for a busy server, and parsed answers.

Every failure is one sentence. Proxies are chosen as in every client (`wgan.proxies`).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter

from wgan.errors import WganError
from wgan.guard import basic_token
from wgan.settings import Settings

ANSWER_SECONDS = 60.0
"""Timeout in seconds, as in Prefect's own client: a server with a busy SQLite database is slow."""
BUSY = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE)
"""Status codes of a request that had no effect and is retried; a busy SQLite database causes them."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each retry."""
LONGEST_PAUSE = 30.0
PAGE = 200
"""Prefect's maximum page size."""
Kind = TypeVar("Kind")
Values = dict[str, Any] | list[dict[str, Any]]
"""A request's body."""


class Answer(BaseModel):
    """Part of the server's answer; other fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Token(Answer):
    token: str


class Rejected(WganError):
    """The server refused the request."""

    def __init__(self, sentence: str, status: int, faults: tuple[dict[str, Any], ...]) -> None:
        """`faults`: pydantic's errors about the request; empty if the server gives none."""
        super().__init__(sentence)
        self.status = status
        self.faults = faults


class PrefectServer:
    """The configured server; a context manager that keeps one connection."""

    def __init__(self, settings: Settings, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._address = settings.prefect_api_url.rstrip("/")
        self._login = settings.prefect_auth_string is not None
        self._token: dict[str, str] = {}
        try:
            self._client = httpx.Client(
                base_url=self._address, headers=login_headers(settings), timeout=answer_seconds, follow_redirects=True
            )
        except httpx.InvalidURL as error:
            raise self._unreachable(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def require(self) -> None:
        """Raise `WganError` unless the server answers and accepts the login."""
        self.ask(str, "GET", "admin/version")

    def find(self, kind: type[Kind], route: str) -> Kind | None:
        """What the server has under that route; None if there is nothing. Raises as `ask` does."""
        try:
            return self.ask(kind, "GET", route)
        except Rejected as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def ask(self, kind: type[Kind], method: str, route: str, **values: Any) -> Kind:
        """The server's answer; `values` are the request's parameters.

        Raises `Rejected` if the server refuses, `WganError` if it does not answer as a Prefect server does.
        """
        return self._read(kind, self._request(method, route, values), route)

    def pages(self, kind: type[Kind], route: str, **values: Any) -> Iterator[Kind]:
        """All results of a filter, page by page. Raises as `ask` does."""
        offset = 0
        while True:
            page = self.ask(list[kind], "POST", route, **values, limit=PAGE, offset=offset)  # type: ignore[valid-type]
            yield from page
            if len(page) < PAGE:
                return
            offset += PAGE

    def send(self, method: str, route: str, **values: Any) -> None:
        """Send a request whose answer is ignored. Raises as `ask` does."""
        self._request(method, route, values)

    def add(self, route: str, entries: list[dict[str, Any]]) -> None:
        """Send entries to a route that takes a list of them. Raises as `ask` does."""
        self._request("POST", route, entries)

    def _request(self, method: str, route: str, values: Values) -> httpx.Response:
        answer = self._try(method, route, values)
        for pause in PAUSES:
            if answer.status_code == httpx.codes.FORBIDDEN and "CSRF" in answer.text:
                self._take_token()
            elif answer.status_code in BUSY:
                time.sleep(_asked_pause(answer, pause))
            else:
                break
            answer = self._try(method, route, values)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            fault = "rejects the login of" if self._login else "requires a login, user:password: set"
            raise WganError(f"the Prefect server at {self._address} {fault} WGAN_PREFECT_AUTH_STRING.")
        if not answer.is_success:
            reason, faults = _refusal(answer)
            raise Rejected(
                f"the Prefect server at {self._address} rejected {method} {route} ({reason}).",
                answer.status_code,
                faults,
            )
        return answer

    def _try(self, method: str, route: str, values: Values) -> httpx.Response:
        body = None if method in ("GET", "DELETE") else values
        try:
            return self._client.request(method, f"/{route}", json=body, headers=self._token)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from None

    def _take_token(self) -> None:
        """Fetch the token of a server with CSRF protection."""
        asking = str(uuid.uuid4())
        answer = self._try("GET", f"csrf-token?client={asking}", {})
        if answer.is_success:
            token = self._read(_Token, answer, "csrf-token").token
            self._token = {"Prefect-Csrf-Client": asking, "Prefect-Csrf-Token": token}

    def _read(self, kind: type[Kind], answer: httpx.Response, route: str) -> Kind:
        try:
            return TypeAdapter(kind).validate_python(answer.json())
        except (ValueError, RecursionError):  # a ValidationError is a ValueError
            raise WganError(
                f"what answers at {self._address}/{route} is not a Prefect server of a supported version: set "
                "WGAN_PREFECT_API_URL to the server's address, which ends in /api."
            ) from None

    def _unreachable(self, error: Exception) -> WganError:
        return WganError(
            f"the Prefect server at {self._address} does not answer ({str(error) or type(error).__name__}): start the "
            "embedded stack with `wgan up --detach`, or set WGAN_PREFECT_API_URL."
        )


def login_headers(settings: Settings) -> dict[str, str]:
    """The authentication headers of an API request; empty if the server needs no login."""
    if settings.prefect_auth_string is None:
        return {}
    return {"Authorization": f"Basic {basic_token(settings.prefect_auth_string.get_secret_value())}"}


def _asked_pause(answer: httpx.Response, pause: float) -> float:
    """The pause in seconds that the server requests, within limits; else `pause`."""
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isdecimal() else pause


def _refusal(answer: httpx.Response) -> tuple[str, tuple[dict[str, Any], ...]]:
    """The server's reason for refusing, and its errors about the request."""
    status = f"status {answer.status_code}"
    try:
        said = answer.json()
    except ValueError:
        return status, ()
    if not isinstance(said, dict):
        return status, ()
    detail = said.get("exception_detail")
    faults = tuple(each for each in detail if isinstance(each, dict)) if isinstance(detail, list) else ()
    words = said.get("detail") or said.get("exception_message")
    return (f"{status}, {words}" if isinstance(words, str) else status), faults
