"""Stopping the services of compose.yaml."""

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


SERVICES = ("worker", "prefect-services", "mlflow", "prefect", "serving")


def test_every_service_of_this_pipeline_stops_cleanly(running: Composed) -> None:
    names = [running.container(service) for service in SERVICES]
    try:
        for name in names:
            run("podman", "stop", "--time", "120", name)
        codes = run("podman", "inspect", "--format", "{{.Name}} {{.State.ExitCode}}", *names).stdout.splitlines()
    finally:
        for name in reversed(names):  # for the tests that come after
            run("podman", "start", name, check=False)
    assert codes == [f"{name} 0" for name in names]
