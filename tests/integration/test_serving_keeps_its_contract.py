"""Requests generated from the application's OpenAPI document never give a 5xx, and answers are as documented."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from tests.unit.serving.example_service import MODEL, example_settings
from wgan.serving.app import create_app
from wgan.serving.server import Server, listen
from wgan.serving.service import make_service


@pytest.fixture(scope="module")
def api_schema(served_cache: Path) -> Iterator[schemathesis.schemas.BaseSchema]:
    """The document of a real server on a loopback port."""
    sock = listen("127.0.0.1", 0)
    service = make_service((MODEL,), "champion", example_settings(served_cache))
    server = Server(uvicorn.Config(create_app(service), log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([sock],))
    thread.start()
    try:
        while not service.catalogue.is_ready:
            time.sleep(0.01)
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{sock.getsockname()[1]}/openapi.json")
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/images"),
        ("POST", "/v1/decode"),
        ("GET", "/v1/interpolate"),
        ("GET", "/v1/model"),
        ("POST", "/v1/models/{model}/images"),
        ("GET", "/v1/models/{model}/interpolate"),
        ("GET", "/v1/models/{model}/model"),
        ("GET", "/v1/models/{model}"),
        ("GET", "/v1/models"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("POST", "/hooks/mlflow"),
    ],
)
def test_no_request_breaks_the_server(api_schema: schemathesis.schemas.BaseSchema, method: str, path: str) -> None:
    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=api_schema[path][method].as_strategy())
    def check(case: schemathesis.Case) -> None:
        if isinstance(case.body, dict) and isinstance(case.body.get("count"), int):
            case.body["count"] %= 32  # larger ones only take longer
        if isinstance((case.query or {}).get("frames"), int):
            case.query["frames"] %= 32
        asked_for_nobody = (case.headers or {}).get("X-WGAN-Alias") == "challenger"  # 503: there is none here
        checks = [status_code_conformance, content_type_conformance]
        case.call_and_validate(checks=checks if asked_for_nobody else [not_a_server_error, *checks])

    check()
