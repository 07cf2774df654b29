"""The image `serving` is small, answers, and contains nothing for training and registering."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.containers.conftest import build_target
from tests.containers.engine import CONFINED, inside, run, wait_for

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1800)]
BYTES = 400 * 10**6
"""Maximum size, Debian and Python included."""


def test_it_holds_what_serving_needs_and_nothing_else(serving_image: str) -> None:
    inside(serving_image, "python", "-c", "import wgan.serving.server, wgan.serving.load_process")
    for package in ("prefect", "mlflow", "torch", "pandas", "matplotlib", "sklearn"):
        said = inside(serving_image, "python", "-c", f"import {package}", check=False).stderr
        assert f"No module named '{package}'" in said
    checked = inside(
        serving_image, "/usr/bin/python3", "-m", "pip", "--python", "/opt/wgan/bin/python", "check", check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_it_is_small(serving_image: str) -> None:
    (found,) = json.loads(run("podman", "image", "inspect", serving_image).stdout)
    assert found["Size"] < BYTES


def test_a_command_that_needs_another_extra_says_what_to_install(serving_image: str) -> None:
    done = inside(serving_image, "wgan", "models", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "pipeline" in done.stderr


def test_it_runs_as_a_numeric_user_and_declares_its_health_check(serving_image: str) -> None:
    (found,) = json.loads(run("podman", "image", "inspect", serving_image).stdout)
    assert found["Healthcheck"]["Test"] == ["CMD", "healthy"]
    assert found["Config"]["User"] == "10001:10001"
    assert found["Config"]["Entrypoint"] == ["start"]


def test_the_same_sources_make_the_same_layers(serving_image: str, tmp_path: Path) -> None:
    again = f"localhost/wgan-test-again-{uuid.uuid4().hex[:8]}"
    build_target("serving", again, tmp_path, "--no-cache")
    try:
        layers = [
            json.loads(run("podman", "image", "inspect", image).stdout)[0]["RootFS"]["Layers"]
            for image in (serving_image, again)
        ]
    finally:
        run("podman", "image", "rm", again, check=False)
    assert layers[0] == layers[1]


def test_serving_is_healthy_without_a_model_and_exits_cleanly_at_sigterm(serving_image: str) -> None:
    name = f"wgan-test-{uuid.uuid4().hex[:8]}"
    unreachable = "WGAN_MLFLOW_TRACKING_URI=http://127.0.0.1:9"
    run("podman", "run", "--detach", "--name", name, *CONFINED, "--env", unreachable, serving_image)
    try:
        wait_for(
            lambda: run("podman", "exec", name, "healthy", check=False).returncode == 0, 120, "serving being healthy"
        )
        assert run("podman", "exec", name, "cat", "/proc/1/comm").stdout.strip() == "wgan"
        run("podman", "stop", "--time", "60", name)
        assert run("podman", "inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "0"
    finally:
        run("podman", "rm", "--force", "--volumes", "--time", "0", name)
