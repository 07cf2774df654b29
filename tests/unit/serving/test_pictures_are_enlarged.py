"""`scale` repeats each pixel in both directions, in every kind of picture, within the limits of an answer."""

from __future__ import annotations

import base64
import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from wgan.errors import UsageError
from wgan.latents import draw_latents
from wgan.serving.encoding import TooLargePicture, check_side, enlarged
from wgan.serving.negotiation import negotiate
from wgan.serving.workload import Cost, Workload

ASK = {"count": 3, "seed": 7}


def repeated(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Nearest neighbour, by numpy's Kronecker product."""
    return np.kron(pixels, np.ones((scale, scale), np.uint8))


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("count", [1, 3])
def test_a_grid_is_the_same_picture_with_every_pixel_repeated(api: TestClient, count: int) -> None:
    small, large = (
        pixels(api.post("/v1/images", json={"count": count, "seed": 7, "scale": scale}).content) for scale in (1, 3)
    )
    np.testing.assert_array_equal(large, repeated(small, 3))


def test_single_files_and_base64_are_enlarged_too(api: TestClient) -> None:
    small = api.post("/v1/images", json={**ASK, "layout": "base64"}).json()["images"]
    large = api.post("/v1/images", json={**ASK, "layout": "base64", "scale": 2}).json()["images"]
    expected = [repeated(pixels(base64.b64decode(text)), 2) for text in small]
    np.testing.assert_array_equal([pixels(base64.b64decode(text)) for text in large], expected)
    answer = api.post("/v1/images", json={**ASK, "layout": "zip", "scale": 2})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        np.testing.assert_array_equal([pixels(archive.read(name)) for name in archive.namelist()], expected)


def test_a_walk_and_images_of_given_latents_are_enlarged(api: TestClient) -> None:
    film = Image.open(io.BytesIO(api.get("/v1/interpolate?from=1&to=2&frames=3&scale=4").content))
    assert (film.size, film.n_frames) == ((128, 128), 3)
    latents = draw_latents(7, 1, 8).tolist()
    assert pixels(api.post("/v1/decode", json={"latents": latents, "scale": 4}).content).shape == (128, 128)


@pytest.mark.parametrize("scale", [0, 17, -1, 1.5, "large"])
def test_a_scale_out_of_range_is_refused(api: TestClient, scale: object) -> None:
    answer = api.post("/v1/images", json={**ASK, "scale": scale})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
    assert answer.json()["error"]["message"].startswith("scale: ")


def test_enlarging_an_array_is_refused(api: TestClient) -> None:
    answer = api.post("/v1/images", json={**ASK, "scale": 2}, headers={"Accept": "application/x-npy"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
    assert "an array has the model's own pixels" in answer.json()["error"]["message"]


def test_the_scale_counts_against_the_largest_answer(api: TestClient) -> None:
    """2^24 values hold 64 images of 32×32 at 16 times their width."""
    answer = api.post("/v1/images", json={"count": 65, "scale": 16})
    assert answer.json()["error"]["message"] == "count: at most 64 such images are made at once."
    assert api.post("/v1/images", json={"count": 64, "scale": 16}).status_code == 200


def test_a_scale_at_which_not_one_image_fits_names_the_largest() -> None:
    with pytest.raises(UsageError, match=r"scale: at most 9 for images of 256×256 pixels\."):
        Workload(2**24).max_count((3, 256, 256), 512, scale=10)
    assert Workload(2**24).max_count((3, 256, 256), 512, scale=9) == 1


def test_the_cost_of_an_enlarged_answer_is_that_of_its_area() -> None:
    plain = negotiate(None, None, None)
    cost = [Cost.of(2, (1, 32, 32), enlarged(plain, scale), 16).values for scale in (1, 4)]
    assert cost == [2048, 16 * 2048]


def test_a_grid_that_would_not_fit_the_format_is_refused_before_it_is_drawn() -> None:
    webp = negotiate("webp", None, None)
    check_side(1024, 32, webp)
    with pytest.raises(TooLargePicture, match=r"17440×17440 pixels is too large for webp"):
        check_side(1024, 32, enlarged(webp, 16))


def test_the_schema_says_what_the_scale_is(api: TestClient) -> None:
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    scale = schemas["ImagesRequest"]["properties"]["scale"]
    assert (scale["minimum"], scale["maximum"], scale["default"]) == (1, 16, 1)
    assert "each pixel is repeated" in scale["description"]
