"""A real Prometheus scrapes real processes: every panel of the dashboard has data, and the alerts fire."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from flows.worker_metrics import WorkerMetrics
from tests.conftest import free_ports
from tests.integration.command_line import json_of, quick
from tests.integration.prometheus import OBSERVABILITY, Prometheus, program, prometheus
from tests.integration.serving_process import Serving, client_of, register, serving
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import ask, read
from wgan.errors import UsageError
from wgan.settings import Settings
from wgan.storage import open_storage

pytestmark = pytest.mark.slow(minutes=3)

MODEL = "generator-monitored"
SCHEDULE = "monitored"
NOT_PROVOKED = (
    "wgan_abandoned_images_total",
    "wgan_version_failures_total",
    "wgan_failed_polls_total",
    "wgan_failed_reloads_total",
)
"""Faults that need a client that leaves, a graph that fails, a registry that is down, and a version of another kind."""


@pytest.fixture(scope="module")
def server(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("monitored")
    open_storage(stack).ensure_bucket()
    version = register(stack, folder, SCHEDULE, 1)
    client_of(stack).set_registered_model_alias(MODEL, "champion", str(version.version))
    more = {"WGAN_SERVE_WEBHOOK_SECRET": "hook-secret", "WGAN_SERVE_QUEUE_IMAGES": "8", "WGAN_SERVE_MAX_COUNT": "8"}
    with serving(stack, MODEL, folder, **more) as process:
        process.wait_ready()
        yield process


@pytest.fixture(scope="module")
def worker_address(stack: Settings) -> str:
    """The metrics of a worker that knows a schedule whose run has been due for two hours."""
    json_of(stack, "schedule", "add", *quick(SCHEDULE), "--name", SCHEDULE, "--cron", "0 3 1 1 *")
    deployment = read(stack, f"deployments/name/retrain/{SCHEDULE}")["id"]
    due = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due}}
    ask(stack, f"deployments/{deployment}/create_flow_run", state=state)
    address = f"127.0.0.1:{free_ports(1)[0]}"
    metrics = WorkerMetrics(address)
    metrics.update(stack)
    return address


@pytest.fixture(scope="module")
def watching(server: Serving, worker_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    own = f"{server.client.base_url.host}:{server.client.base_url.port}"
    targets = {"serving": own, "worker": worker_address}
    with prometheus(tmp_path_factory.mktemp("prometheus"), free_ports(1)[0], targets) as running:
        wait_for(lambda: running.values("up == 1") == [1.0, 1.0], 60)
        yield running


def use(server: Serving) -> None:
    """Requests of every kind: drawn, refused, too many at once, a webhook that is not signed."""

    def ask(seed: int) -> int:
        return server.client.post("/v1/images", json={"count": 8, "seed": seed}).status_code

    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(ask, range(16))) <= {200, 429}
    server.client.post("/hooks/mlflow", json={})


def test_the_rules_are_what_promtool_accepts() -> None:
    checked = subprocess.run(
        [program("promtool"), "check", "rules", str(OBSERVABILITY / "alerts.yaml")], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr


def test_every_alert_waits_as_long_as_it_says_and_fires_for_its_reason(tmp_path: Path) -> None:
    """Prometheus's own simulation of its time."""
    tests = yaml.safe_load((Path(__file__).parent / "alerts.yaml").read_text())
    tests["rule_files"] = [str(OBSERVABILITY / "alerts.yaml")]
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    ran = subprocess.run(
        [program("promtool"), "test", "rules", str(tmp_path / "tests.yaml")], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rules = yaml.safe_load((OBSERVABILITY / "alerts.yaml").read_text())["groups"][0]["rules"]
    tried = {case["alertname"] for test in tests["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert tried == {rule["alert"] for rule in rules}


def test_every_panel_of_the_dashboard_has_data(server: Serving, watching: Prometheus) -> None:
    dashboard = json.loads((OBSERVABILITY / "grafana/dashboards/serving.json").read_text())
    asked = {target["expr"]: panel["title"] for panel in dashboard["panels"] for target in panel["targets"]}
    wanted = {expression for expression in asked if not any(name in expression for name in NOT_PROVOKED)}
    assert {asked[expression] for expression in wanted} == set(asked.values())

    missing: set[str] = set()

    def all_have_data() -> bool:
        use(server)
        missing.clear()
        missing.update(expression for expression in wanted if not watching.values(expression))
        return not missing

    with suppress(AssertionError):
        wait_for(all_have_data, 90)
    assert missing == set()


def test_a_version_that_cannot_be_served_and_a_run_that_is_late_and_a_dead_process_raise_alerts(
    stack: Settings, server: Serving, watching: Prometheus
) -> None:
    wait_for(lambda: "RunOverdue" in watching.firing(), 60)
    assert SCHEDULE in watching.firing()["RunOverdue"]
    assert not watching.firing().keys() & {"ServingDown", "NoWorker", "ServedVersionStale"}
    client = client_of(stack)
    foreign = client.create_model_version(MODEL, "s3://wgan/nothing-there").version
    client.set_registered_model_alias(MODEL, "champion", foreign)
    wait_for(lambda: "ServedVersionStale" in watching.firing(), 90)
    assert f"{MODEL}@champion" in watching.firing()["ServedVersionStale"]
    wait_for(lambda: watching.values("sum(increase(wgan_failed_reloads_total[10m]))"), 60)
    server.process.kill()
    server.process.wait()
    wait_for(lambda: "ServingDown" in watching.firing(), 60)


@pytest.mark.parametrize("address", ["9101", "127.0.0.1:port", "192.0.2.1:9101", "127.0.0.1:99999"])
def test_a_wrong_address_for_metrics_is_one_sentence(address: str) -> None:
    with pytest.raises(UsageError, match=r"--metrics .*(is not an address|cannot be listened on)"):
        WorkerMetrics(address)


def test_a_worker_says_that_it_works_and_when_a_schedule_last_succeeded(stack: Settings, worker_address: str) -> None:
    text = httpx.get(f"http://{worker_address}/metrics").text
    labelled = f'{{schedule="{SCHEDULE}"}}'
    overdue = next(line for line in text.splitlines() if line.startswith(f"wgan_schedule_overdue_seconds{labelled}"))
    assert 7200 <= float(overdue.rpartition(" ")[2]) < 9000
    assert "wgan_worker_checked_timestamp_seconds" in text
    assert f"wgan_schedule_last_success_timestamp_seconds{labelled}" not in text
