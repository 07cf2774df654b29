"""`wgan doctor` on a machine without problems, and where something is missing."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.integration.hidden_torch import hide_torch
from tests.integration.stack_commands import run
from wgan.settings import Settings


def checks_of(settings: Settings, code: int, **more: str) -> dict[str, Any]:
    """The checks by name; of several with one name the last."""
    report = json.loads(run(settings, "doctor", "--json", code=code, **more).stdout)
    assert report["healthy"] == (code == 0)
    for check in report["checks"]:
        assert check["remedy"] or check["outcome"] != "failed", f"no remedy: {check}"
    return {check["name"]: check for check in report["checks"]}


@pytest.fixture
def without_torch(tmp_path: Path) -> dict[str, str]:
    """Also, torch's import takes seconds."""
    return hide_torch(tmp_path / "hidden")


def test_all_checks_pass_where_the_stack_is_up_even_behind_a_proxy(stack: Settings) -> None:
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    checks = checks_of(stack, code=0, **proxies)
    checks.pop("champion", None)  # other tests share the registry, and move aliases by hand
    assert {name: check["outcome"] for name, check in checks.items()} == dict.fromkeys(
        (
            "Python",
            "packages",
            "processors",
            "device",
            "ports",
            "home folder",
            "cache folder",
            "storage",
            "MLflow server",
            "Prefect server",
        ),
        "ok",
    )
    assert "read with its SHA-256" in checks["storage"]["finding"]
    assert checks["device"]["finding"].startswith(("cpu, precision ", "cuda, precision ", "mps, precision "))


def test_people_get_a_line_for_each_check(stack: Settings) -> None:
    lines = [line for line in run(stack, "doctor").stdout.splitlines() if " champion" not in line]
    assert len(lines) == 11
    assert all(line.startswith("✓ ") for line in lines[:-1])
    assert lines[-1] == "All checks passed."


def test_without_the_stack_the_servers_fail_and_the_remedy_is_to_start_it(
    idle_stack: Settings, without_torch: dict[str, str]
) -> None:
    checks = checks_of(idle_stack, code=1, **without_torch)
    for name, variable in (
        ("storage", "WGAN_S3_ENDPOINT_URL"),
        ("MLflow server", "WGAN_MLFLOW_TRACKING_URI"),
        ("Prefect server", "WGAN_PREFECT_API_URL"),
    ):
        assert checks[name]["outcome"] == "failed"
        assert "`wgan up`" in checks[name]["remedy"]
        assert variable in checks[name]["remedy"]
    assert "are free" in checks["ports"]["finding"]


def test_a_taken_port_is_named_with_its_setting(idle_stack: Settings, without_torch: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", idle_stack.prefect_port)):
        check = checks_of(idle_stack, code=1, **without_torch)["ports"]
    assert f"port {idle_stack.prefect_port} cannot be used, which is taken by process" in check["finding"]
    assert check["remedy"].startswith("set WGAN_PREFECT_PORT ")


def test_without_torch_the_command_to_install_it_is_shown_and_nothing_fails(
    stack: Settings, without_torch: dict[str, str]
) -> None:
    check = checks_of(stack, code=0, **without_torch)["device"]
    assert check["outcome"] == "info"
    assert "pip install 'wgan-pipeline[train]'" in check["finding"]


def test_a_package_of_another_version_is_named_with_the_required_one(
    stack: Settings, without_torch: dict[str, str]
) -> None:
    folder = Path(without_torch["PYTHONPATH"]) / "nanio-0.0.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: nanio\nVersion: 0.0.1\n")
    check = checks_of(stack, code=1, **without_torch)["package"]
    assert check["finding"].startswith("nanio is 0.0.1; ")
    assert check["remedy"].startswith("pip install 'nanio")


def test_a_folder_that_cannot_be_written_to_is_named_with_its_setting(
    stack: Settings, without_torch: dict[str, str]
) -> None:
    check = checks_of(stack, code=1, WGAN_CACHE_DIR="/proc/cache", **without_torch)["cache folder"]
    assert check["outcome"] == "failed"
    assert "WGAN_CACHE_DIR" in check["remedy"]
