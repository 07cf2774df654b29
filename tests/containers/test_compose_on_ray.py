"""compose.yaml with the profile `ray`: the worker decodes and trains on a head and two workers of Ray."""

from __future__ import annotations

import sys

import pytest

from tests.containers.composed import Composed
from tests.containers.engine import wait_for
from tests.integration.command_line import quick

pytestmark = [
    pytest.mark.containers,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the image's Python is 3.11"),
]


def test_a_retraining_with_two_workers_on_ray_ends_in_a_champion(running: Composed) -> None:
    running.variables["RAY_ADDRESS"] = "ray-head:6379"
    try:
        running.compose("--profile", "ray", "up", "--detach", "--no-deps", timeout=300)
        joined = ("healthy", "prefect", "tcp://127.0.0.1:6380")
        wait_for(lambda: running.inside("worker", *joined, check=False).returncode == 0, 400, "joining the cluster")
        options = quick("on-ray", "training.workers=2")
        running.inside("worker", "wgan", "schedule", "add", "--name", "on-ray", "--cron", "0 0 1 1 *", *options)
        running.inside("worker", "wgan", "schedule", "run", "on-ray")

        def promoted() -> bool:
            return "champion" in running.inside("worker", "wgan", "models", "generator-on-ray", check=False).stdout

        wait_for(promoted, 600, "a champion of generator-on-ray")
        for service in ("ray-worker", "ray-worker-2"):
            cached = running.inside(service, "ls", "/var/lib/wgan/cache/datasets").stdout
            assert cached.strip(), "it has not trained"
    finally:
        del running.variables["RAY_ADDRESS"]
