"""Debian's Prometheus with this repository's configuration, for targets of a test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from tests.integration.stack_commands import wait_for

OBSERVABILITY = Path(__file__).resolve().parents[2] / "infra" / "observability"


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    client: httpx.Client

    def values(self, expression: str) -> list[float]:
        """The expression's values now; NaN is no value."""
        answer = self.client.get("/api/v1/query", params={"query": expression}).raise_for_status().json()
        found = (float(each["value"][1]) for each in answer["data"]["result"])
        return [value for value in found if value == value]

    def firing(self) -> dict[str, str]:
        """Alerts that fire: name → summary."""
        alerts = self.client.get("/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
        return {
            alert["labels"]["alertname"]: alert["annotations"]["summary"]
            for alert in alerts
            if alert["state"] == "firing"
        }


def program(name: str) -> str:
    """Debian's program. Without it: a skip; in CI, where `.ci/run` installs it, a failure."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed: apt-get install prometheus"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def prometheus(folder: Path, port: int, targets: dict[str, str]) -> Iterator[Prometheus]:
    """Prometheus with these targets by job; it looks every second, and alerts wait a second in place of minutes."""
    config = yaml.safe_load((OBSERVABILITY / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    rules = (OBSERVABILITY / "alerts.yaml").read_text()
    (folder / "alerts.yaml").write_text(re.sub(r"for: \d+m", "for: 1s", rules))
    options = [
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([program("prometheus"), *options], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_for(lambda: _is_ready(client), 60)
            yield Prometheus(client)
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").is_success
    except httpx.TransportError:
        return False
