"""With any answer of the registry and any version, the old version keeps drawing and the alias is followed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.drills.attack.fake_registry import FakeRegistry, entry, fake_registry, send
from tests.drills.attack.hostile_graphs import enormous, looping
from tests.unit.serving.example_service import example_client


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeRegistry]:
    """A registry with versions 1 and 2."""
    with fake_registry(tmp_path_factory.mktemp("registry")) as running:
        running.add(1, seed=1)
        running.add(2, seed=2)
        running.aliases["champion"] = 1
        yield running


@pytest.fixture(scope="module")
def following(registry: FakeRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server that follows the registry closely."""
    values = {"serve_poll_seconds": 0.1, "serve_verify_seconds": 3, "serve_challenger": "off"}
    cache = tmp_path_factory.mktemp("cache")
    with example_client(cache, mlflow_tracking_uri=registry.url, **values) as (client, _):
        yield client


@pytest.fixture
def server(following: TestClient, registry: FakeRegistry) -> TestClient:
    """The server, once it serves version 1 without problems."""
    registry.answer, registry.aliases["champion"] = None, 1
    wait_for(following, lambda state: state["reason"] is None and state["version"] == 1)
    return following


def wait_for(client: TestClient, condition: Any, seconds: float = 60) -> float:
    """Wait until the answer of `/readyz` fulfils the condition; the seconds it took."""
    started = time.monotonic()
    while not condition(state := client.get("/readyz").json()):
        assert time.monotonic() < started + seconds, state
        time.sleep(0.02)
    return time.monotonic() - started


def drawn_by(client: TestClient) -> str:
    answer = client.post("/v1/images", json={"count": 1, "seed": 7})
    assert answer.status_code == 200
    return answer.headers["x-wgan-version"]


ODD = {
    "a page": b"<html>hello</html>",
    "nothing": b"",
    "an empty object": b"{}",
    "a list": b"[]",
    "null": b"null",
    "half an answer": json.dumps({"model_version": entry(2)}).encode()[:40],
    "no version": json.dumps({"model_version": {**entry(2), "version": None}}).encode(),
    "a version of words": json.dumps({"model_version": {**entry(2), "version": "two"}}).encode(),
    "a version of 5,000 digits": json.dumps({"model_version": {**entry(2), "version": "9" * 5000}}).encode(),
    "a time beyond all calendars": json.dumps({"model_version": {**entry(2), "creation_timestamp": 10**30}}).encode(),
    "another model": json.dumps({"model_version": {**entry(2), "name": "somebody-elses"}}).encode(),
    "tags of another kind": json.dumps({"model_version": {**entry(2), "tags": "many"}}).encode(),
    "two megabytes": b" " * 2**21,
    "brackets": b"[" * 100_000,
}


@pytest.mark.parametrize("form", ODD)
def test_an_invalid_answer_of_the_registry_makes_serving_stale_with_a_reason(
    server: TestClient, registry: FakeRegistry, form: str
) -> None:
    registry.answer = lambda request: send(request, 200, ODD[form])
    wait_for(server, lambda state: state["aliases"]["champion"]["stale"] is not None)
    state = server.get("/readyz").json()
    assert (state["ready"], state["version"], drawn_by(server)) == (True, 1, "1")
    assert "MLflow server" in state["reason"] or "not an MLflow server" in state["reason"]
    registry.answer = None
    wait_for(server, lambda state: state["reason"] is None)


def test_an_answer_that_drips_is_abandoned_and_makes_serving_stale(
    server: TestClient, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _ in range(300):
            request.wfile.write(b"x")
            time.sleep(0.05)

    monkeypatch.setattr("wgan.serving.registry.ANSWER_SECONDS", 0.5)
    registry.answer = drip
    wait_for(server, lambda state: "did not answer completely" in str(state["reason"]), 10)
    assert drawn_by(server) == "1"


def test_a_graph_that_never_ends_is_refused_and_a_rollback_does_not_wait_for_it(
    server: TestClient, registry: FakeRegistry
) -> None:
    registry.add(3, seed=3, graph=looping())
    registry.aliases["champion"] = 3
    wait_for(server, lambda state: state["aliases"]["champion"]["fault"] == "version")
    state = server.get("/readyz").json()["aliases"]["champion"]
    assert "takes more than 3 s of processor time" in state["stale"]
    assert state["version_faults"] == state["failures"] >= 1
    registry.add(4, seed=4, graph=looping())
    registry.aliases["champion"] = 4
    wait_for(server, lambda state: state["aliases"]["champion"]["wanted"] == 4)
    registry.aliases["champion"] = 2
    wait_for(server, lambda state: state["version"] == 2)
    assert server.get("/readyz").json()["aliases"]["champion"]["failures"] == 0
    assert drawn_by(server) == "2"


def test_a_graph_that_asks_for_more_memory_than_there_is_is_refused(server: TestClient, registry: FakeRegistry) -> None:
    registry.add(5, seed=3, graph=enormous())
    registry.aliases["champion"] = 5
    wait_for(server, lambda state: state["aliases"]["champion"]["fault"] == "version")
    assert drawn_by(server) == "1"


def test_a_slow_download_does_not_delay_a_rollback(server: TestClient, registry: FakeRegistry) -> None:
    registry.add(6, seed=3)
    registry.block_seconds[6] = 600.0
    registry.aliases["champion"] = 6
    wait_for(server, lambda state: state["aliases"]["champion"]["wanted"] == 6)
    time.sleep(1)
    registry.aliases["champion"] = 1
    assert wait_for(server, lambda state: state["reason"] is None) < 10
    assert drawn_by(server) == "1"


def test_files_larger_than_allowed_are_the_versions_fault(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.add(7, seed=3, graph=bytes(2**21))
    registry.aliases["champion"] = 1
    values = {"serve_poll_seconds": 0.1, "serve_model_bytes": 2**20, "mlflow_tracking_uri": registry.url}
    with example_client(tmp_path / "cache", **values) as (client, _):
        registry.aliases["champion"] = 7
        wait_for(client, lambda state: state["aliases"]["champion"]["fault"] == "version")
        assert "is larger than allowed" in client.get("/readyz").json()["reason"]


def test_the_process_ends_while_a_graph_that_never_ends_is_verified(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.add(8, seed=3, graph=looping())
    registry.aliases["champion"] = 1
    values = {"serve_poll_seconds": 0.1, "serve_challenger": "off", "mlflow_tracking_uri": registry.url}
    with example_client(tmp_path / "cache", **values) as (client, _):
        registry.aliases["champion"] = 8
        wait_for(client, lambda state: state["aliases"]["champion"]["wanted"] == 8)
        time.sleep(2)  # it is being verified
        asked = time.monotonic()
    assert time.monotonic() - asked < 10


def test_a_request_that_never_ends_is_abandoned_and_the_next_is_drawn(registry: FakeRegistry, tmp_path: Path) -> None:
    """A graph that draws its sample well, and never ends on some noise that a client may send."""
    registry.add(9, seed=3, graph=looping(trigger=500.0), grey=True)
    registry.aliases["champion"] = 9
    values = {"serve_poll_seconds": 0.1, "serve_request_seconds": 2, "mlflow_tracking_uri": registry.url}
    with example_client(tmp_path / "cache", **values) as (client, _):
        assert client.post("/v1/decode", json={"latents": [[900.0] * 8]}).status_code in (500, 503)
        assert client.post("/v1/decode", json={"latents": [[0.0] * 8]}).status_code == 200


def test_a_cache_that_cannot_be_written_still_serves_its_content(
    server: TestClient, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.aliases["champion"] = 2
    wait_for(server, lambda state: state["version"] == 2)  # now it is in the cache
    registry.aliases["champion"] = 1
    wait_for(server, lambda state: state["version"] == 1)

    def refuse(*arguments: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("wgan.serving.model_cache._write_json", refuse)
    registry.aliases["champion"] = 2
    wait_for(server, lambda state: state["version"] == 2)
    state = server.get("/readyz").json()
    assert state["aliases"]["champion"]["stale"] is None
    assert "after a restart: the cache folder cannot be written (Read-only file system)" in state["reason"]
    monkeypatch.undo()
    registry.aliases["champion"] = 1
    wait_for(server, lambda state: state["reason"] is None)
