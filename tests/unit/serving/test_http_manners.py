"""HTTP conventions: HEAD, encodings, other methods, and the right reason."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.unit.serving.test_serving_api import saved
from wgan.serving.service import Service
from wgan.serving.states import readiness


@pytest.mark.parametrize(
    "path", ["/", "/playground", "/healthz", "/readyz", "/v1/model", "/v1/models", "/api", "/page/api.js"]
)
def test_head_answers_like_get_without_the_body(api: TestClient, path: str) -> None:
    head, get = api.head(path), api.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_a_compressed_body_is_refused_with_the_reason(api: TestClient) -> None:
    packed = gzip.compress(b'{"count": 1}')
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = api.post("/v1/images", content=packed, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "content-encoding")
    assert answer.headers["accept-encoding"] == "identity"


def test_the_media_type_of_an_array_is_case_insensitive(api: TestClient) -> None:
    body = saved(np.zeros((1, 8), np.float32))
    answer = api.post("/v1/decode", content=body, headers={"Content-Type": "Application/X-NPY; charset=binary"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/v1/images", "/v1/decode"])
def test_a_wrong_method_is_told_the_allowed_one(api: TestClient, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["message"] == f"GET is not answered at {path}: use POST."


@pytest.mark.parametrize("body", [b"{", b'{"count": }', b"[" * 100_000, b'{"count": ' + b"9" * 5000 + b"}", b"\xff"])
@pytest.mark.parametrize("path", ["/v1/images", "/v1/decode"])
def test_a_body_that_is_not_json_is_reported_as_such(api: TestClient, path: str, body: bytes) -> None:
    answer = api.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert "jSON" not in answer.text
    assert answer.json()["error"]["message"].endswith(".")


def test_a_truncated_json_body_is_reported_with_its_position(api: TestClient) -> None:
    answer = api.post("/v1/images", content=b'{"count": ]', headers={"Content-Type": "application/json"})
    assert answer.json()["error"]["message"].startswith("The body is not JSON: ")


def test_the_maximum_count_is_the_advertised_one(api: TestClient) -> None:
    most = api.get("/v1/model").json()["max_count"]
    assert api.post("/v1/images", json={"count": most}, headers={"Accept": "application/x-npy"}).status_code == 200
    answer = api.post("/v1/images", json={"count": most + 1})
    assert answer.json()["error"]["message"] == f"count: at most {most} such images are made at once."
    assert api.post("/v1/images", json={"count": 10**1000}).json() == answer.json()


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }" % ("9" * 5000),
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -8), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 8), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1.0, 8), }",
    "{'descr': '<f4', 'fortran_order': 3, 'shape': (1, 8), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }" % ("(1," * 60 + "8" + ")" * 60),
    "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }" % ("1, " * 70),
    "{'descr': [('a', '<f4', (8,))], 'fortran_order': False, 'shape': (1,), }",
    "{'descr': ('<f4', (8,)), 'fortran_order': False, 'shape': (1,), }",
    "{'descr': 'x' * 10, 'shape': (1, 8)}",
    "{'descr': '>f0', 'fortran_order': False, 'shape': (1, 8), }",
    "{'descr': 'M8[5000000000000000000000s]', 'fortran_order': False, 'shape': (4,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (4,), }",
    "{1: 2}",
    "[" * 3000,
    "\x00" * 40,
    "",
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("version", [1, 2])
def test_a_malformed_npy_header_is_one_sentence(api: TestClient, header: str, version: int) -> None:
    text = header.encode("latin-1") + b"\n"
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    body = b"\x93NUMPY" + bytes([version, 0]) + size + text + bytes(32)
    answer = api.post("/v1/decode", content=body, headers={"Content-Type": "application/x-npy"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid"), answer.text


def test_readiness_shows_no_local_path() -> None:
    from wgan.serving.faults import without_paths

    reason = "champion: /home/a/.wgan/cache/x y.json cannot be read, see http://127.0.0.1:5000/api and models:/m/3."
    shown = without_paths(reason)
    assert "/home" not in shown
    assert "http://127.0.0.1:5000/api and models:/m/3" in shown
    assert json.dumps(shown)


def test_a_cache_problem_shows_no_local_path(
    running: tuple[TestClient, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, service = running
    monkeypatch.setattr(
        service.catalogue.require_default().follower,
        "cache_problem",
        "/home/a/.wgan/cache cannot be written: it is read-only.",
    )
    reason = api.get("/readyz").json()["reason"]
    assert "after a restart: (a local path) cannot be written" in reason
    assert "/home/a" in readiness(service.catalogue, with_paths=True).model_dump()["reason"]


@pytest.mark.parametrize("path", ["/", "/playground", "/api"])
def test_every_page_has_the_shared_parts(api: TestClient, path: str) -> None:
    page = api.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<link rel="stylesheet" href="page/common.css">' in page.text
    assert '<form id="key-form"' in page.text
    assert "<!-- include" not in page.text
