"""One `wgan serve` for several models: the named ones, or every one that has a champion."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.conftest import free_ports
from tests.integration.serving_process import Serving, client_of, register, serving
from tests.integration.stack_commands import stack_without_serving, wait_for
from wgan.latents import draw_latents
from wgan.model_version.inference import open_generator
from wgan.pixels import to_bytes
from wgan.registry.versions import fetch_version
from wgan.serving.registry import RegistryClient
from wgan.settings import Settings
from wgan.stack.credentials import connected, ensure_credentials
from wgan.storage import open_storage

pytestmark = pytest.mark.slow(minutes=2)
DIGITS, FACES, LATER = "generator-digits", "generator-faces", "generator-aaa"
ASK = {"count": 3, "seed": 7}


@pytest.fixture(scope="module")
def registry(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """This file's own stack: digits and faces have a champion each, aaa has a version and none."""
    folder = tmp_path_factory.mktemp("several")
    with stack_without_serving(stack, folder / "home") as idle:
        settings = connected(idle, ensure_credentials(idle.home))
        open_storage(settings).ensure_bucket()
        for seed, name in enumerate((DIGITS, FACES, LATER)):
            register(settings, folder, name.removeprefix("generator-"), seed)
        for name in (DIGITS, FACES):
            set_champion(settings, name)
        yield settings


@pytest.fixture
def without_a_third(registry: Settings) -> Iterator[Settings]:
    yield registry
    client_of(registry).delete_registered_model_alias(LATER, "champion")


def set_champion(settings: Settings, model: str) -> None:
    client_of(settings).set_registered_model_alias(model, "champion", "1")


def draw(server: Serving, path: str) -> httpx.Response:
    return server.client.post(path, json=ASK, headers={"Accept": "application/x-npy"})


def array(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


def expected(settings: Settings, model: str, folder: Path) -> np.ndarray:
    """The model's images, drawn in this process and not by the server."""
    engine = open_generator(fetch_version(model, 1, settings, folder / model))
    return to_bytes(engine.decode(draw_latents(ASK["seed"], ASK["count"], engine.latent_dim)))


def listed(server: Serving) -> dict[str, Any]:
    return dict(server.client.get("/v1/models").json())


def ready_names(server: Serving) -> list[str]:
    return [model["name"] for model in listed(server)["models"] if model["ready"]]


def test_each_model_draws_under_its_name_and_the_first_named_without_one(registry: Settings, tmp_path: Path) -> None:
    with serving(registry, (FACES, DIGITS), tmp_path) as server:
        server.wait_ready()
        for name in (FACES, DIGITS):
            answer = draw(server, f"/v1/models/{name}/images")
            assert (answer.headers["x-wgan-model"], answer.headers["x-wgan-version"]) == (name, "1")
            np.testing.assert_array_equal(array(answer), expected(registry, name, tmp_path))
            assert server.client.get(f"/v1/models/{name}/model").json()["name"] == name
        short = draw(server, "/v1/images")
        assert short.headers["x-wgan-model"] == FACES
        assert short.content == draw(server, f"/v1/models/{FACES}/images").content
        found = listed(server)
        assert (found["default"], found["every"]) == (FACES, False)
        assert [(one["name"], one["version"], one["ready"]) for one in found["models"]] == [
            (FACES, 1, True),
            (DIGITS, 1, True),
        ]
        assert server.metric(f'wgan_images_total{{model="{DIGITS}",role="served",version="1"}}') == 3


def test_an_unknown_name_lists_the_served_ones(registry: Settings, tmp_path: Path) -> None:
    with serving(registry, (DIGITS, FACES), tmp_path) as server:
        server.wait_ready()
        answer = draw(server, f"/v1/models/{LATER}/images")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown-model")
        assert answer.json()["error"]["message"] == (
            f"Model '{LATER}' is not served here: ask for {DIGITS} or {FACES}."
        )
        assert answer.headers["x-wgan-model"] == "none"
        assert [server.client.get(f"/v1/models/{LATER}{rest}").status_code for rest in ("", "/model")] == [404, 404]


def test_a_named_model_without_a_champion_is_reported_and_the_others_draw(
    without_a_third: Settings, tmp_path: Path
) -> None:
    with serving(without_a_third, (DIGITS, LATER), tmp_path) as server:
        server.wait_ready()
        wait_for(lambda: server.ready()["reason"] is not None, 20)
        assert server.ready()["reason"] == (
            f"{LATER}, champion: {LATER} has no champion yet: `wgan promote {LATER} VERSION` sets one."
        )
        assert draw(server, "/v1/images").status_code == 200
        refused = draw(server, f"/v1/models/{LATER}/images")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no-model")
        set_champion(without_a_third, LATER)
        wait_for(lambda: ready_names(server) == [DIGITS, LATER], 30)
        assert server.ready()["reason"] is None


def test_without_names_every_model_with_a_champion_is_served_and_new_ones_are_added(
    without_a_third: Settings, tmp_path: Path
) -> None:
    with serving(without_a_third, (), tmp_path) as server:
        server.wait_ready()
        assert ready_names(server) == [DIGITS, FACES]
        assert draw(server, "/v1/images").headers["x-wgan-model"] == DIGITS
        set_champion(without_a_third, LATER)
        wait_for(lambda: ready_names(server) == [LATER, DIGITS, FACES], 30)
        answer = draw(server, f"/v1/models/{LATER}/images")
        np.testing.assert_array_equal(array(answer), expected(without_a_third, LATER, tmp_path))
        assert (listed(server)["every"], listed(server)["default"]) == (True, LATER)


def test_without_a_registry_the_cached_models_are_served(registry: Settings, tmp_path: Path) -> None:
    with serving(registry, (), tmp_path) as server:
        server.wait_ready()
        before = draw(server, f"/v1/models/{FACES}/images").content
    away = {"WGAN_MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_ports(1)[0]}"}
    with serving(registry, (), tmp_path, **away) as server:
        server.wait_ready()
        assert ready_names(server) == [DIGITS, FACES]
        assert draw(server, f"/v1/models/{FACES}/images").content == before
        assert "does not answer" in str(server.ready()["reason"])


def test_no_more_models_are_added_than_allowed(registry: Settings, tmp_path: Path) -> None:
    with serving(registry, (), tmp_path, WGAN_SERVE_MAX_MODELS="1") as server:
        server.wait_ready()
        assert ready_names(server) == [DIGITS]
        wait_for(lambda: server.ready()["reason"] is not None, 20)
        assert server.ready()["reason"] == f"WGAN_SERVE_MAX_MODELS=1 leaves out {FACES}."


def test_the_registrys_list_is_read_page_by_page(registry: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wgan.serving.registry.PAGE", 1)

    async def names() -> tuple[str, ...]:
        client = RegistryClient(registry)
        try:
            return await client.models_with("champion")
        finally:
            await client.close()

    assert asyncio.run(names()) == (DIGITS, FACES)


def test_the_setting_names_the_models_too(registry: Settings, tmp_path: Path) -> None:
    with serving(registry, (), tmp_path, WGAN_SERVE_MODELS=f"{FACES},{DIGITS}") as server:
        server.wait_ready()
        assert ready_names(server) == [FACES, DIGITS]
