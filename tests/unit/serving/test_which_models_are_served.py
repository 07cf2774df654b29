"""Which model a request is about, by its name or without one; the registry is always down."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.unit.serving.example_service import example_client, example_settings, write_version
from tests.unit.serving.test_mlflow_webhook import signed
from wgan.serving.app import create_app
from wgan.serving.model_cache import cached_models, model_cache
from wgan.serving.service import Service, make_service

DIGITS, FACES, ODD = "generator-digits", "generator-faces", "zeichen ü"
ASK = {"count": 2, "seed": 7}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models with a champion each."""
    folder = tmp_path_factory.mktemp("several")
    for seed, model in enumerate((FACES, DIGITS, ODD), 1):
        write_version(folder, seed, seed, model=model)
    return folder


@pytest.fixture(scope="module")
def both(cache: Path) -> Iterator[TestClient]:
    """Faces first."""
    with example_client(cache, (FACES, DIGITS)) as (client, _):
        yield client


@pytest.fixture(scope="module")
def every(cache: Path) -> Iterator[tuple[TestClient, Service]]:
    """Every model that was served before."""
    with example_client(cache, ()) as pair:
        yield pair


def test_the_first_name_is_the_default(both: TestClient) -> None:
    short, named = (both.post(path, json=ASK) for path in ("/v1/images", f"/v1/models/{FACES}/images"))
    assert short.headers["x-wgan-model"] == named.headers["x-wgan-model"] == FACES
    assert short.content == named.content
    assert both.post(f"/v1/models/{DIGITS}/images", json=ASK).content != short.content


@pytest.mark.parametrize("route", ["images", "decode"])
def test_every_route_of_the_short_form_has_its_twin_below_a_model(both: TestClient, route: str) -> None:
    path = f"/v1/models/{DIGITS}/{route}"
    answer = both.get(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["message"] == f"GET is not answered at {path}: use POST."


def test_facts_and_walks_are_the_named_models(both: TestClient) -> None:
    facts = both.get(f"/v1/models/{DIGITS}/model")
    assert (facts.json()["name"], facts.json()["version"], facts.headers["x-wgan-version"]) == (DIGITS, 2, "2")
    film = both.get(f"/v1/models/{DIGITS}/interpolate?from=1&to=2&frames=2", headers={"Accept": "application/json"})
    assert film.json()["model"] == DIGITS


def test_a_name_that_is_not_served_is_refused_with_those_that_are(both: TestClient) -> None:
    answer = both.post(f"/v1/models/{ODD}/images", json=ASK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown-model")
    assert answer.json()["error"]["message"] == f"Model '{ODD}' is not served here: ask for {FACES} or {DIGITS}."
    assert answer.headers["x-wgan-model"] == answer.headers["x-wgan-version"] == "none"


@pytest.mark.parametrize("below", ["", "/model"])
def test_head_asks_for_a_named_model_too(both: TestClient, below: str) -> None:
    path = f"/v1/models/{DIGITS}{below}"
    head = both.head(path)
    assert (head.status_code, head.content, head.headers["x-wgan-model"]) == (200, b"", DIGITS)
    assert both.head(f"/v1/models/{DIGITS}/images").status_code == 405


def test_the_list_shows_the_state_of_each_model(both: TestClient) -> None:
    found = both.get("/v1/models").json()
    assert (found["default"], found["every"]) == (FACES, False)
    assert [(one["name"], one["version"], one["ready"]) for one in found["models"]] == [
        (FACES, 1, True),
        (DIGITS, 2, True),
    ]
    assert both.get(f"/v1/models/{DIGITS}").json()["aliases"]["champion"]["serving"] == 2
    assert [state["name"] for state in both.get("/readyz").json()["models"]] == [FACES, DIGITS]


def test_the_reasons_of_several_models_name_each_model_model(both: TestClient) -> None:
    reason = both.get("/readyz").json()["reason"]
    assert f"{FACES}, champion: the MLflow server" in reason
    assert f"{DIGITS}, champion: the MLflow server" in reason


def test_without_names_the_default_is_the_first_by_name(every: tuple[TestClient, Service], cache: Path) -> None:
    assert cached_models(cache, "champion") == (DIGITS, FACES, ODD)
    assert every[0].get("/v1/models").json()["default"] == DIGITS
    assert every[0].post("/v1/images", json=ASK).headers["x-wgan-model"] == DIGITS


def test_a_non_ascii_name_is_percent_encoded_in_headers(every: tuple[TestClient, Service]) -> None:
    answer = every[0].post("/v1/models/zeichen%20%C3%BC/images", json=ASK)
    assert (answer.status_code, answer.headers["x-wgan-model"]) == (200, "zeichen %C3%BC")
    assert every[0].get("/v1/models/zeichen%20%C3%BC").json()["name"] == ODD


def test_without_any_model_a_request_is_refused_with_the_reason(tmp_path: Path) -> None:
    with TestClient(create_app(make_service((), "champion", example_settings(tmp_path)))) as client:
        answer = client.post("/v1/images", json=ASK)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no-model")
        assert client.get("/readyz").status_code == 503
        unknown = client.get("/v1/models/x").json()["error"]["message"]
        assert unknown == "Model 'x' is not served here: none is served yet."


def test_a_model_that_cannot_be_loaded_does_not_hold_the_others_back(cache: Path) -> None:
    """The second is not in the cache, and the registry is down: its first poll has failed."""
    with example_client(cache, (FACES, "generator-new")) as (client, _):
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["ready"]) == (200, True)
        assert [model["ready"] for model in answer.json()["models"]] == [True, False]


def test_a_delivery_wakes_the_follower_of_the_model_it_names(cache: Path) -> None:
    body = json.dumps({"entity": "model_version_alias", "action": "created", "data": {"name": DIGITS}}).encode()
    with example_client(cache, (FACES, DIGITS), serve_webhook_secret="s3cret", serve_poll_seconds=3600) as pair:
        client, service = pair
        followers = [service.catalogue.require(name).follower for name in (FACES, DIGITS)]
        # Two polls of two aliases each: at the start, and once the cached model is loaded.
        until(lambda: [follower.registry_failures for follower in followers] == [4, 4])
        headers = {**signed(at=int(time.time()), body=body), "Content-Type": "application/json"}
        assert client.post("/hooks/mlflow", content=body, headers=headers).json() == {"status": "polling"}
        until(lambda: followers[1].registry_failures == 6)
        assert followers[0].registry_failures == 4


def until(condition: object) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_an_empty_cache_lists_no_model(tmp_path: Path) -> None:
    assert cached_models(tmp_path, "champion") == ()
    model_cache(tmp_path, DIGITS).folder.mkdir(parents=True)
    assert cached_models(tmp_path, "champion") == ()
