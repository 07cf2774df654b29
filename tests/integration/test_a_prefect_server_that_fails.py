"""How commands report a Prefect server that hangs, is busy, gives invalid answers or requires a login."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.integration.stack_commands import run
from wgan.errors import UsageError, WganError
from wgan.prefect_server import client
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.runs import list_runs
from wgan.prefect_server.schedule_changes import pause_schedule
from wgan.prefect_server.schedule_listing import list_schedules
from wgan.settings import Settings

ASKING = [list_schedules, lambda server: list_runs(server, 5), lambda server: pause_schedule(server, "digits", True)]
"""A list, another, and a change."""


class Fake:
    """A server whose answers a test decides: `answer` gives status, headers and body of each request."""

    def __init__(self) -> None:
        self.answer: Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], str]] = lambda _: (200, {}, "[]")
        self.asked: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fake.asked.append(f"{self.command} {self.path.partition('?')[0]}")
                status, headers, body = fake.answer(self)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body.encode())), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_PATCH = do_GET  # noqa: N815

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.settings = Settings(_env_file=None, prefect_api_url=f"http://127.0.0.1:{self.http.server_port}/api")


@pytest.fixture
def fake() -> Iterator[Fake]:
    fake = Fake()
    Thread(target=fake.http.serve_forever, daemon=True).start()
    yield fake
    fake.http.shutdown()
    fake.http.server_close()


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize(
    "body", ["<html>Welcome</html>", "", "{}", "[1, 2]", '[{"id": 7}]', '{"detail": []}', "null", "[" * 100_000, "\0"]
)
def test_an_invalid_answer_is_one_sentence(ask: Callable[[PrefectServer], object], body: str, fake: Fake) -> None:
    fake.answer = lambda _: (200, {}, body)
    with PrefectServer(fake.settings) as server, pytest.raises(WganError) as refusal:
        ask(server)
    assert "is not a Prefect server of a supported version: set WGAN_PREFECT_API_URL" in str(refusal.value)


@pytest.mark.parametrize("ask", ASKING)
def test_a_server_that_hangs_is_one_sentence(ask: Callable[[PrefectServer], object], fake: Fake) -> None:
    def late(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], str]:
        time.sleep(2)
        return 200, {}, "[]"

    fake.answer = late
    with PrefectServer(fake.settings, answer_seconds=0.2) as server, pytest.raises(WganError) as refusal:
        ask(server)
    assert "does not answer (timed out): start the embedded stack with `wgan up --detach`" in str(refusal.value)
    assert len(fake.asked) == 1


def test_an_interrupted_answer_is_one_sentence(fake: Fake) -> None:
    fake.answer = lambda _: (200, {"Content-Length": "10"}, "[")
    with PrefectServer(fake.settings) as server, pytest.raises(WganError, match="does not answer"):
        list_schedules(server)


def test_a_request_to_a_busy_server_is_retried(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSES", (0.01,) * 5)
    answers = iter([(503, {}, "busy"), (429, {"Retry-After": "0"}, ""), (200, {}, "[]")])
    fake.answer = lambda _: next(answers)
    with PrefectServer(fake.settings) as server:
        assert list_schedules(server) == []
    assert len(fake.asked) == 3


def test_a_server_that_stays_busy_is_one_sentence(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSES", (0.01,) * 5)
    fake.answer = lambda _: (503, {}, "<html>busy</html>")
    with PrefectServer(fake.settings) as server, pytest.raises(WganError) as refusal:
        list_schedules(server)
    assert str(refusal.value).endswith("rejected POST deployments/filter (status 503).")


def test_a_refusal_quotes_the_servers_reason(fake: Fake) -> None:
    fake.answer = lambda _: (409, {}, json.dumps({"detail": "It is \x1b[31mfull."}))
    with PrefectServer(fake.settings) as server, pytest.raises(WganError) as refusal:
        list_schedules(server)
    assert "(status 409, It is \\x1b[31mfull.)" in str(refusal.value)


@pytest.mark.parametrize(
    ("login", "words"),
    [(None, "requires a login, user:password: set WGAN"), ("wgan:wrong", "rejects the login of WGAN")],
)
def test_a_login_that_is_missing_or_wrong_is_one_sentence(login: str | None, words: str, stack: Settings) -> None:
    settings = Settings(
        _env_file=None,
        prefect_api_url=stack.prefect_api_url,
        prefect_auth_string=login,  # type: ignore[arg-type]
    )
    with PrefectServer(settings) as server, pytest.raises(WganError, match=words):
        list_schedules(server)


def test_a_server_with_csrf_protection_gets_its_token(fake: Fake) -> None:
    def guarded(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], str]:
        if "csrf-token?client=" in request.path:
            return 200, {}, json.dumps({"token": "a-token", "client": "x", "expiration": "2026-01-01T00:00:00Z"})
        if request.headers.get("Prefect-Csrf-Token") != "a-token" or not request.headers.get("Prefect-Csrf-Client"):
            return 403, {}, json.dumps({"detail": "Missing CSRF token."})
        return 200, {}, "[]"

    fake.answer = guarded
    with PrefectServer(fake.settings) as server:
        assert list_schedules(server) == []
        assert list_schedules(server) == []
    assert fake.asked.count("GET /api/csrf-token") == 1


@pytest.mark.parametrize("address", ["http://127.0.0.1:0x1/api", "prefect.example.org/api", "http://[::1/api"])
def test_an_impossible_address_is_one_sentence(address: str) -> None:
    settings = Settings(_env_file=None, prefect_api_url=address)
    with pytest.raises(WganError, match=r"does not answer .* or set WGAN_PREFECT_API_URL\."):
        list_schedules(PrefectServer(settings))


def test_an_impossible_name_causes_no_further_request(fake: Fake) -> None:
    fake.answer = lambda request: (404, {}, "{}") if "/name/" in request.path else (200, {}, "[]")
    with PrefectServer(fake.settings) as server, pytest.raises(UsageError, match="there is none yet"):
        pause_schedule(server, "../../flows/x?y\udcff", True)
    assert fake.asked[0] == "GET /api/deployments/name/retrain/..%2F..%2Fflows%2Fx%3Fy%3F"


@pytest.mark.parametrize("command", [("schedule", "list"), ("schedule", "run", "digits"), ("runs",), ("logs", "1")])
def test_every_command_reports_it_without_a_traceback(command: tuple[str, ...], fake: Fake, stack: Settings) -> None:
    fake.answer = lambda _: (200, {}, "<html>Welcome</html>")
    answer = run(stack, *command, code=1, WGAN_PREFECT_API_URL=fake.settings.prefect_api_url)
    assert answer.stderr.startswith("What answers at http://127.0.0.1:")
    assert len(answer.stderr.splitlines()) == 1
