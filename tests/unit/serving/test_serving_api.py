"""The API's answers: formats, limits, headers, refusals in one sentence; the registry is always down."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.unit.serving.example_service import example_client
from wgan.latents import draw_latents
from wgan.serving.keys import new_key
from wgan.serving.latents import walk


def npy(response_content: bytes) -> np.ndarray:
    return np.load(io.BytesIO(response_content), allow_pickle=False)


def saved(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=array.dtype.hasobject)
    return out.getvalue()


@pytest.fixture
def images(api: TestClient) -> np.ndarray:
    return npy(api.post("/v1/images", json={"count": 3, "seed": 7}, headers={"Accept": "application/x-npy"}).content)


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_every_picture_format_comes_as_a_grid(api: TestClient, format: str) -> None:
    asked = api.post("/v1/images", json={"count": 4, "seed": 7, "format": format})
    accepted = api.post("/v1/images", json={"count": 4, "seed": 7}, headers={"Accept": f"image/{format}"})
    assert asked.headers["content-type"] == f"image/{format}"
    assert asked.content == accepted.content
    picture = Image.open(io.BytesIO(asked.content))
    assert (picture.format, picture.size) == (format.upper(), (2 * 34 + 2, 2 * 34 + 2))


def test_a_zip_holds_one_lossless_file_for_each_image(api: TestClient, images: np.ndarray) -> None:
    answer = api.post("/v1/images", json={"count": 3, "seed": 7, "layout": "zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        found = [np.asarray(Image.open(archive.open(name))) for name in sorted(archive.namelist())]
    np.testing.assert_array_equal(np.stack(found), images[:, 0])


def test_base64_comes_as_json_that_names_the_version(api: TestClient, images: np.ndarray) -> None:
    answer = api.post("/v1/images", json={"count": 3, "seed": 7}, headers={"Accept": "application/json"}).json()
    assert {name: answer[name] for name in ("model", "version", "count", "seed")} == {
        "model": "generator-examples", "version": 1, "count": 3, "seed": 7,
    }  # fmt: skip
    found = [np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in answer["images"]]
    np.testing.assert_array_equal(np.stack(found), images[:, 0])


def test_the_latents_of_a_seed_decode_to_its_images(api: TestClient, images: np.ndarray) -> None:
    latents = draw_latents(7, 3, 8)
    accept = {"Accept": "application/x-npy"}
    by_json = api.post("/v1/decode", json={"latents": latents.tolist()}, headers=accept)
    by_npy = api.post("/v1/decode", content=saved(latents), headers={**accept, "Content-Type": "application/x-npy"})
    np.testing.assert_array_equal(npy(by_json.content), images)
    np.testing.assert_array_equal(npy(by_npy.content), images)


@pytest.mark.parametrize("format", ["webp", "gif"])
def test_an_interpolation_goes_from_the_image_of_one_seed_to_that_of_another(api: TestClient, format: str) -> None:
    answer = api.get("/v1/interpolate", params={"from": 1, "to": 2, "frames": 6, "format": format})
    assert answer.headers["content-type"] == f"image/{format}"
    film = Image.open(io.BytesIO(answer.content))
    assert film.n_frames == 6
    for frame, seed in ((0, 1), (5, 2)):
        film.seek(frame)
        alone = api.post("/v1/images", json={"seed": seed}, headers={"Accept": "application/x-npy"})
        np.testing.assert_array_equal(np.asarray(film.convert("L")), npy(alone.content)[0, 0])


def test_slerp_keeps_the_length_and_the_angle_per_step() -> None:
    """For two vectors of one length, a turn of 90 degrees in three steps: 30 degrees each (closed form)."""
    path = walk(np.array([2.0, 0.0], np.float32), np.array([0.0, 2.0], np.float32), 4, "slerp")
    angles = np.degrees(np.arctan2(path[:, 1], path[:, 0]))
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2.0, rtol=1e-6)
    np.testing.assert_allclose(angles, [0, 30, 60, 90], atol=1e-4)


def test_a_seed_chosen_by_the_server_can_be_requested_again(api: TestClient) -> None:
    first = api.post("/v1/images", json={"count": 2})
    again = api.post("/v1/images", json={"count": 2, "seed": int(first.headers["x-wgan-seed"])})
    assert first.content == again.content


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/model", "/openapi.json", "/nowhere"])
def test_every_answer_names_the_version_and_has_security_headers(api: TestClient, path: str) -> None:
    headers = api.get(path, headers={"X-Request-ID": "mine-1"}).headers
    assert (headers["x-wgan-version"], headers["x-wgan-model"]) == ("1", "generator-examples")
    assert (headers["x-content-type-options"], headers["x-request-id"]) == ("nosniff", "mine-1")
    assert "access-control-allow-origin" not in headers


def test_readiness_reports_that_the_registry_is_down(api: TestClient) -> None:
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert "MLflow server at http://127.0.0.1:1 does not answer" in answer.json()["reason"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ({"count": 0}, {}, 422, "invalid"),
        ({"count": 513}, {}, 422, "invalid"),
        ({"seed": -1}, {}, 422, "invalid"),
        ({"sed": 1}, {}, 422, "invalid"),
        ({"count": 1}, {"Accept": "text/html"}, 406, "not-acceptable"),
        ({"count": 1}, {"Content-Type": "text/plain"}, 415, "content-type"),
        ({"count": 1}, {"X-WGAN-Alias": "someone"}, 404, "unknown-alias"),
        ({"count": 1}, {"X-WGAN-Alias": "challenger"}, 503, "no-model"),
    ],
)
def test_an_impossible_request_is_refused_in_one_sentence(
    api: TestClient, body: dict[str, int], headers: dict[str, str], status: int, code: str
) -> None:
    answer = api.post("/v1/images", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"].endswith(".")


@pytest.mark.parametrize(
    "latents", [[[0.0] * 7], [[0.0] * 8, [0.0]], [[1e4] * 8], [[float("inf")] * 8], [[float("nan")] * 8]]
)
def test_latents_of_another_shape_or_not_finite_are_refused(api: TestClient, latents: list[list[float]]) -> None:
    import json

    answer = api.post(
        "/v1/decode", content=json.dumps({"latents": latents}), headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x93NUMPY",
        saved(np.array([{"a": 1}], dtype=object)),
        saved(np.zeros((1, 8), np.int64)),
        saved(np.zeros((1, 8), np.float32))[:-1],
        saved(np.zeros((1, 8), np.float32)).replace(b"(1, 8)", b"(9**9,)"),
        saved(np.zeros((1, 8), np.float32)).replace(b"(1, 8), } ", b"(10**9,),}"),
        saved(np.full((1, 8), np.nan, np.float32)),
    ],
)
def test_invalid_arrays_are_refused_and_never_unpickled(api: TestClient, body: bytes) -> None:
    answer = api.post("/v1/decode", content=body, headers={"Content-Type": "application/x-npy"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")


def test_a_body_past_the_limit_is_refused_with_and_without_its_length(served_cache: Path) -> None:
    with example_client(served_cache, serve_body_bytes=2048) as (client, _):
        for content in (b" " * 4096, (b" " * 1024 for _ in range(4))):
            answer = client.post("/v1/images", content=content, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too-large")


def test_keys_protect_everything_but_health_and_rotate_through_the_file(
    served_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wgan.serving.keys.CHECK_SECONDS", 0.0)
    (old, old_hash), (new, new_hash), (fixed, fixed_hash) = new_key(), new_key(), new_key()
    file = tmp_path / "keys"
    file.write_text(f"# the team's\n{old_hash} old\n")
    with example_client(served_cache, serve_api_keys_file=file, serve_api_keys=fixed_hash) as (client, _):

        def status(key: str, path: str = "/v1/model") -> int:
            return client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code

        assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
        guarded = (
            "/v1/model",
            "/v1/models",
            "/v1/models/generator-examples",
            "/v1/overview",
            "/metrics",
            "/openapi.json",
        )
        assert {client.get(path).status_code for path in guarded} == {401}
        assert client.get("/api").status_code == 200  # the page without its content
        assert [status(key) for key in (old, fixed, new, old_hash, "")] == [200, 200, 401, 401, 401]
        assert client.get("/v1/model", headers={"X-API-Key": old}).status_code == 200
        file.write_text(f"{old_hash} old\n{new_hash} new\n")
        assert [status(key) for key in (old, new)] == [200, 200]
        file.write_text(f"{new_hash} new\n")
        assert [status(key) for key in (old, new)] == [401, 200]
        file.unlink()
        assert [status(key) for key in (old, new)] == [401, 200]


def test_cors_is_only_for_the_origins_that_are_named(served_cache: Path) -> None:
    with example_client(served_cache, serve_cors_origins="https://a.example") as (client, _):
        for origin, allowed in (("https://a.example", "https://a.example"), ("https://b.example", None)):
            answer = client.get("/healthz", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
        asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        wanted = {"Access-Control-Request-Headers": "X-WGAN-Alias, X-WGAN-Client"}
        assert client.options("/v1/images", headers={**asked, **wanted}).status_code == 200
