"""`wgan serve` with a real registry: promotion, rollback, refusal, restart, and usage mistakes."""

from __future__ import annotations

import io
import uuid
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.conftest import free_ports
from tests.integration.serving_process import Serving, client_of, register, serving
from tests.integration.stack_commands import run, wait_for
from wgan.latents import draw_latents
from wgan.model_version.inference import open_generator
from wgan.pixels import image_grid, to_bytes
from wgan.registry.versions import fetch_version
from wgan.settings import Settings
from wgan.storage import open_storage


@pytest.fixture(scope="module", autouse=True)
def bucket(stack: Settings) -> None:
    open_storage(stack).ensure_bucket()


@pytest.fixture(scope="module")
def model(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three versions; tests set the aliases."""
    name = f"serving-{uuid.uuid4().hex[:8]}"
    versions = [register(stack, tmp_path_factory.mktemp("export"), name, seed) for seed in (1, 2, 3)]
    return versions[0].model_name


def promote(settings: Settings, model: str, version: int, alias: str = "champion") -> None:
    client_of(settings).set_registered_model_alias(model, alias, str(version))


def expected(settings: Settings, model: str, version: int, folder: Path, seed: int, count: int) -> np.ndarray:
    """The version's images, drawn in this process and not by the server."""
    engine = open_generator(fetch_version(model, version, settings, folder))
    return to_bytes(engine.decode(draw_latents(seed, count, engine.latent_dim)))


def drawn(server: Serving, **headers: str) -> httpx.Response:
    return server.client.post(
        "/v1/images", json={"count": 5, "seed": 7}, headers={"Accept": "application/x-npy", **headers}
    )


def array(response: httpx.Response) -> np.ndarray:
    assert response.status_code == 200, response.text
    return np.load(io.BytesIO(response.content), allow_pickle=False)


def test_a_promotion_a_rollback_and_a_restart_without_registry(stack: Settings, model: str, tmp_path: Path) -> None:
    promote(stack, model, 1)
    with serving(stack, model, tmp_path) as server:
        server.wait_ready()
        first = drawn(server)
        assert first.headers["x-wgan-version"] == "1"
        np.testing.assert_array_equal(array(first), expected(stack, model, 1, tmp_path / "one", 7, 5))
        picture = Image.open(io.BytesIO(server.client.post("/v1/images", json={"count": 5, "seed": 7}).content))
        assert picture.tobytes() == image_grid(array(first)).tobytes()

        promote(stack, model, 2)
        server.wait_for_version(2)
        np.testing.assert_array_equal(array(drawn(server)), expected(stack, model, 2, tmp_path / "two", 7, 5))
        facts = server.client.get("/v1/model").json()
        assert (facts["name"], facts["alias"], facts["version"]) == (model, "champion", 2)
        assert facts["metrics"]["fid"] == {"mean": 46.25, "low": 44.0, "high": 48.5}
        assert server.metric("wgan_reloads_total") == 2
        wait_for(lambda: any(line["event"] == "version drained" for line in server.events()), 10)

        promote(stack, model, 1)
        server.wait_for_version(1)
        assert drawn(server).content == first.content
        assert server.ready()["reason"] is None

    down = stack.model_copy(update={"mlflow_port": free_ports(1)[0], "s3_port": free_ports(1)[0]})
    away = {
        "WGAN_MLFLOW_TRACKING_URI": f"http://127.0.0.1:{down.mlflow_port}",
        "WGAN_S3_ENDPOINT_URL": f"http://127.0.0.1:{down.s3_port}",
    }
    with serving(stack, model, tmp_path, **away) as server:
        server.wait_ready()
        assert drawn(server).content == first.content
        wait_for(lambda: "does not answer" in str(server.ready()["reason"]), 20)
        assert server.client.get("/readyz").status_code == 200


def test_a_version_that_cannot_be_served_leaves_the_old_one(stack: Settings, model: str, tmp_path: Path) -> None:
    broken = register(stack, tmp_path, model.removeprefix("generator-"), 4)
    store, where = open_storage(stack), client_of(stack).get_model_version_download_uri(model, str(broken.version))
    key = f"{stack.mlflow_prefix}/{where.removeprefix('mlflow-artifacts:/')}/model.onnx"
    graph = store.get_bytes(key)
    store.put_bytes(key, graph[:-1] + bytes([graph[-1] ^ 1]))
    promote(stack, model, 1)
    with serving(stack, model, tmp_path) as server:
        server.wait_ready()
        promote(stack, model, broken.version)
        wait_for(lambda: server.metric("wgan_failed_reloads_total") >= 2, 30)
        assert drawn(server).headers["x-wgan-version"] == "1"
        state = server.ready()
        assert (state["ready"], state["version"]) == (True, 1)
        assert state["aliases"]["champion"]["wanted"] == broken.version  # type: ignore[index]
        assert "is damaged: its SHA-256 is" in str(state["reason"])

        store.put_bytes(key, graph)  # repaired: the next attempt loads it
        server.wait_for_version(broken.version)
        assert server.ready()["reason"] is None


def test_the_challenger_is_served_on_request(stack: Settings, model: str, tmp_path: Path) -> None:
    promote(stack, model, 1)
    promote(stack, model, 2, "challenger")
    with serving(stack, model, tmp_path) as server:
        server.wait_ready()
        wait_for(lambda: server.ready()["aliases"]["challenger"]["serving"] == 2, 30)  # type: ignore[index]
        assert drawn(server).headers["x-wgan-version"] == "1"
        answer = drawn(server, **{"X-WGAN-Alias": "challenger"})
        assert (answer.headers["x-wgan-version"], answer.headers["x-wgan-alias"]) == ("2", "challenger")
        np.testing.assert_array_equal(array(answer), expected(stack, model, 2, tmp_path / "two", 7, 5))
        assert drawn(server, **{"X-WGAN-Alias": "someone"}).status_code == 404

        promote(stack, model, 2)  # the challenger is loaded already
        server.wait_for_version(2)
        client_of(stack).delete_registered_model_alias(model, "challenger")
        wait_for(lambda: server.ready()["aliases"]["challenger"]["serving"] is None, 30)  # type: ignore[index]
        assert drawn(server).headers["x-wgan-version"] == "2"


def test_a_split_of_100_percent_sends_all_to_the_challenger_and_a_shadow_none(
    stack: Settings, model: str, tmp_path: Path
) -> None:
    promote(stack, model, 1)
    promote(stack, model, 3, "challenger")
    with serving(stack, model, tmp_path, "--challenger", "split", "--percent", "100") as server:
        wait_for(lambda: drawn(server).headers["x-wgan-version"] == "3", 30)
        assert drawn(server, **{"X-WGAN-Alias": "champion"}).headers["x-wgan-version"] == "1"
    with serving(stack, model, tmp_path, "--challenger", "shadow", "--percent", "100") as server:
        wait_for(lambda: server.ready()["aliases"]["challenger"]["serving"] == 3, 30)  # type: ignore[index]
        assert drawn(server).headers["x-wgan-version"] == "1"
        wait_for(lambda: server.metric(f'wgan_images_total{{model="{model}",role="shadow",version="3"}}') == 5, 20)
    client_of(stack).delete_registered_model_alias(model, "challenger")


def test_without_a_champion_it_waits_and_reports_it(stack: Settings, tmp_path: Path) -> None:
    name = f"serving-{uuid.uuid4().hex[:8]}"
    with serving(stack, f"generator-{name}", tmp_path) as server:
        wait_for(lambda: "there is no registered model" in str(server.ready()["reason"]), 20)
        answer = server.client.get("/readyz")
        assert (answer.status_code, answer.headers["x-wgan-version"]) == (503, "none")
        refused = server.client.post("/v1/images", json={})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no-model")

        register(stack, tmp_path, name, 1)
        wait_for(lambda: "has no champion yet" in str(server.ready()["reason"]), 20)
        promote(stack, f"generator-{name}", 1)
        server.wait_for_version(1)


def test_a_taken_port_is_one_sentence(stack: Settings, model: str, tmp_path: Path) -> None:
    with serving(stack, model, tmp_path) as server:
        port = str(server.client.base_url.port)
        outcome = run(stack, "serve", model, "--port", port, code=2)
        assert outcome.stderr.strip().splitlines() == [
            f"Port {port} of 127.0.0.1 cannot be listened on (Address already in use): "
            "choose another with --port or WGAN_SERVE_PORT."
        ]
