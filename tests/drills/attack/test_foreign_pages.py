"""A web page, or a program without the login, cannot change anything on the embedded servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.integration.stack_commands import prefect_login
from tests.integration.worker_process import ask
from wgan.guard import basic_token
from wgan.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Page


FLOW = "of-a-foreign-page"
ATTACK = """async ([prefect, mlflow, token, name]) => {
  const body = JSON.stringify({name});
  const login = {"Content-Type": "application/json", "Authorization": "Basic " + token};
  const tries = [
    () => fetch(prefect + "/api/flows/", {method: "POST", body, headers: {"Content-Type": "application/json"}}),
    () => fetch(prefect + "/api/flows/", {method: "POST", body, headers: login}),
    () => fetch(prefect + "/api/flows/", {method: "POST", mode: "no-cors", body: new Blob([body])}),
    () => fetch(prefect + "/api/flows/", {method: "POST", mode: "no-cors", body}),
    () => fetch(prefect + "/api/admin/settings", {headers: login}),
    () => fetch(mlflow + "/api/2.0/mlflow/experiments/create", {method: "POST", mode: "no-cors", body}),
    () => new Promise((resolve, reject) => {
      const socket = new WebSocket(prefect.replace("http", "ws") + "/api/events/in", ["prefect"]);
      socket.onopen = () => resolve({type: "opened"});
      socket.onerror = () => reject(new Error("refused"));
    }),
  ];
  const found = [];
  for (const one of tries) found.push(await one().then(answer => answer.type, error => "refused"));
  return found;
}"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>foreign</title>")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def foreign_page() -> Iterator[str]:
    """URL of a page on another server, under a name that resolves to this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://foreign.localhost:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def prefect(stack: Settings) -> str:
    return f"http://127.0.0.1:{stack.prefect_port}"


def test_a_page_of_another_server_changes_nothing_from_chromium(
    chromium_page: Page, foreign_page: str, stack: Settings, prefect: str
) -> None:
    """Even one that knows the login."""
    chromium_page.goto(foreign_page)
    token = basic_token(":".join(prefect_login(stack)))
    outcomes = chromium_page.evaluate(ATTACK, [prefect, f"http://127.0.0.1:{stack.mlflow_port}", token, FLOW])
    # `opaque`: sent without asking, as pages may; the answer, a refusal, cannot be read.
    assert outcomes == ["refused", "refused", "opaque", "opaque", "refused", "opaque", "refused"]
    assert FLOW not in json.dumps(ask(stack, "flows/filter"))
    experiments = f"http://127.0.0.1:{stack.mlflow_port}/api/2.0/mlflow/experiments/search?max_results=1000"
    assert FLOW not in httpx.get(experiments).text


def test_the_printed_link_signs_chromium_in_and_the_bare_page_does_not(
    chromium_page: Page, stack: Settings, prefect: str
) -> None:
    chromium_page.goto(f"{prefect}/runs")
    chromium_page.wait_for_url("**/login**", timeout=60_000)
    token = basic_token(":".join(prefect_login(stack)))
    chromium_page.goto(f"{prefect}/sign-in#{token}&/blocks")
    chromium_page.wait_for_url(f"{prefect}/blocks", timeout=60_000)
    chromium_page.get_by_text("Concurrency").first.wait_for(timeout=60_000)
    assert "/login" not in chromium_page.url


@pytest.mark.parametrize("target", ["//foreign.example/", "https://foreign.example/", "/\\foreign.example"])
def test_the_sign_in_page_leads_nowhere_else(chromium_page: Page, prefect: str, target: str) -> None:
    chromium_page.goto(f"{prefect}/sign-in#token&{target}")
    chromium_page.wait_for_url(f"{prefect}/**", timeout=60_000)
    assert chromium_page.url.startswith(f"{prefect}/")


@pytest.mark.parametrize(
    "origin",
    ["http://foreign.example", "null", "http://127.0.0.1:1", "http://foreign.example:{port}", "file://", "http://["],
)
def test_requests_from_other_pages_are_refused(stack: Settings, prefect: str, origin: str) -> None:
    header = {"Origin": origin.replace("{port}", str(stack.prefect_port))}
    answer = httpx.post(f"{prefect}/api/flows/filter", json={}, auth=prefect_login(stack), headers=header)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}", "http://localhost:{port}"])
def test_prefects_own_pages_are_accepted(stack: Settings, prefect: str, origin: str) -> None:
    header = {"Origin": origin.replace("{port}", str(stack.prefect_port))}
    answer = httpx.post(f"{prefect}/api/flows/filter", json={}, auth=prefect_login(stack), headers=header)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == header["Origin"]


@pytest.mark.parametrize("host", ["foreign.example", "foreign.example:{port}", "10.0.0.1:{port}", ""])
@pytest.mark.parametrize("server", ["prefect", "mlflow"])
def test_a_foreign_name_for_this_machine_is_refused(stack: Settings, server: str, host: str) -> None:
    port = getattr(stack, f"{server}_port")
    for path in ("/", "/api/admin/settings"):
        header = {"Host": host.replace("{port}", str(port))}
        answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers=header, auth=prefect_login(stack))
        assert answer.status_code in (400, 403)


@pytest.mark.parametrize("path", ["/api/flows/filter", "/api/deployments/", "/api/block_documents/filter"])
def test_without_the_login_nothing_can_be_read_or_written(prefect: str, path: str) -> None:
    assert httpx.post(f"{prefect}{path}", json={}).status_code == 401
    assert httpx.post(f"{prefect}{path}", json={}, auth=("wgan", "guessed")).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://foreign.example"}, {"Host": "foreign.example"}],
    ids=["another page", "another name"],
)
def test_foreign_websockets_are_refused_before_they_open(prefect: str, headers: dict[str, str]) -> None:
    address = prefect.replace("http", "ws") + "/api/events/in"
    with pytest.raises(InvalidStatus) as refused, connect(address, additional_headers=headers):
        pass
    assert refused.value.response.status_code in (400, 403)


def test_no_other_page_may_frame_prefects_pages(prefect: str) -> None:
    assert httpx.get(f"{prefect}/").headers["x-frame-options"] == "SAMEORIGIN"
    assert httpx.get(f"{prefect}/sign-in").headers["x-frame-options"] == "DENY"


def test_the_store_requires_a_signature_from_every_page(stack: Settings) -> None:
    answer = httpx.get(
        f"http://127.0.0.1:{stack.s3_port}/wgan?list-type=2", headers={"Origin": "http://foreign.example"}
    )
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
