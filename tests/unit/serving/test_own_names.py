"""Serving answers under its own names only: a foreign name that resolves to this machine is refused."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from wgan.serving.own_names import OwnNames, own_names
from wgan.settings import Settings


def client_of(**values: str) -> TestClient:
    paths = ("/", "/v1/images", "/healthz", "/readyz", "/metrics")
    app = Starlette(routes=[Route(path, lambda _: PlainTextResponse("drawn")) for path in paths])
    return TestClient(OwnNames(app, own_names(Settings(_env_file=None, **values))))


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LocalHost:9000", "[::1]:8080", "[::1]"])
def test_a_process_on_loopback_answers_under_this_machines_names(host: str) -> None:
    assert client_of().get("/v1/images", headers={"Host": host}).text == "drawn"


@pytest.mark.parametrize("host", ["rebound.example", "rebound.example:8080", "localhost.example:80", "localhost:x", ""])
def test_a_process_on_loopback_answers_under_no_other_name_name(host: str) -> None:
    answer = client_of().get("/v1/images", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]["code"]) == (421, "host")
    assert "WGAN_SERVE_NAMES" in answer.json()["error"]["message"]


def test_configured_names_replace_those_of_this_machine() -> None:
    client = client_of(serve_names="images.example:443, serving:*", serve_host="0.0.0.0")
    assert client.get("/", headers={"Host": "images.example"}).text == "drawn"
    assert client.get("/", headers={"Host": "serving:8080"}).text == "drawn"
    assert client.get("/", headers={"Host": "127.0.0.1:8080"}).status_code == 421


def test_on_every_address_any_name_is_accepted_unless_some_are_configured() -> None:
    assert own_names(Settings(_env_file=None, serve_host="0.0.0.0")) == ()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_and_metrics_can_be_requested_by_address(path: str) -> None:
    assert client_of().get(path, headers={"Host": "10.0.0.7:8080"}).text == "drawn"
