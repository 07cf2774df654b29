"""Stopping compose.yaml: on separate services, since they do not run afterwards."""

from __future__ import annotations

import sys

import pytest

from tests.containers.composed import Composed
from tests.containers.engine import run

pytestmark = [
    pytest.mark.containers,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the image's Python is 3.11"),
]


@pytest.mark.parametrize("service", ["worker", "prefect-services", "mlflow", "prefect", "serving"])
def test_every_service_of_this_pipeline_stops_cleanly(running: Composed, service: str) -> None:
    name = running.container(service)
    run("podman", "stop", "--time", "120", name)
    assert run("podman", "inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "0"
