"""A second login in front of Prefect's API lists runs and deployments, and does nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from wgan.guard import Reader, basic_token
from wgan.guard.own_pages import Message, Receive, Scope, Send

LOGIN, READER = "wgan:all", "reader:lists"


def passed_with(method: str, path: str, logins: Iterable[str], kind: str = "http") -> list[str] | int:
    """The logins with which a request reaches the server; or the status with which it was refused."""
    reached: list[list[str]] = []
    sent: list[Message] = []

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append([value.decode() for name, value in scope["headers"] if name == b"authorization"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"prefect:4200"), *((b"authorization", basic(login).encode()) for login in logins)]
    scope = {"type": kind, "method": method, "path": path, "headers": headers}
    asyncio.run(Reader(behind, READER, LOGIN)(scope, receive, send))
    return reached[0] if reached else int(sent[0]["status"])


def basic(login: str) -> str:
    return f"Basic {basic_token(login)}"


@pytest.mark.parametrize("path", ["/api/flow_runs/filter", "/api/deployments/filter", "/api/artifacts/filter"])
def test_the_reader_lists_what_the_front_page_shows(path: str) -> None:
    assert passed_with("POST", path, [READER]) == [basic(LOGIN)]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/deployments/0/create_flow_run"),
        ("POST", "/api/flow_runs/0/set_state"),
        ("POST", "/api/flow_runs/0/resume"),
        ("POST", "/api/flow_runs/filter/"),
        ("POST", "/api/flow_runs/../flow_runs/filter"),
        ("DELETE", "/api/flow_runs/filter"),
        ("GET", "/api/flow_runs/filter"),
        ("POST", "/api/block_documents/filter"),
        ("POST", "/api/variables/filter"),
        ("GET", "/"),
    ],
)
def test_everything_else_is_refused_to_the_reader(method: str, path: str) -> None:
    assert passed_with(method, path, [READER]) == 403


def test_a_request_with_two_logins_is_the_readers() -> None:
    assert passed_with("POST", "/api/flow_runs/0/set_state", [LOGIN, READER]) == 403
    assert passed_with("POST", "/api/flow_runs/filter", ["x:y", READER]) == [basic(LOGIN)]


@pytest.mark.parametrize("logins", [[LOGIN], ["reader:wrong"], ["reader:"], [""], []])
def test_every_other_login_reaches_the_server_as_it_came(logins: list[str]) -> None:
    assert passed_with("POST", "/api/flow_runs/0/set_state", logins) == [basic(login) for login in logins]


def test_a_websocket_is_not_the_readers_business() -> None:
    assert passed_with("GET", "/api/events/in", [READER], kind="websocket") == [basic(READER)]
