"""`infra/compose.yaml` and its neighbours checked as text; `tests/containers` runs them."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import sys
import tomllib
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.documents import ROOT, shell_commands
from tests.integration.environment_of_extra import required
from wgan.serving.metrics import Metrics

INFRA = ROOT / "infra"
TEXT = (INFRA / "compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
OWN = [name for name, service in SERVICES.items() if "build" in service]
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|AUTH_STRING|SIGNING_KEY")


def variables(service: str) -> dict[str, str]:
    return {name: str(value) for name, value in SERVICES[service].get("environment", {}).items()}


def secrets_of(service: str) -> set[str]:
    """Variables of `.env` that reach a service."""
    return set(re.findall(r"\$\{(\w+):\?", str(SERVICES[service])))


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_loopback_only(service: str) -> None:
    for port in SERVICES[service].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-\d+\}:\d+", port)


def test_only_what_people_use_is_published() -> None:
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"s3", "prefect", "mlflow", "serving", "proxy", "prometheus", "grafana"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_image_is_replaceable_and_has_a_version(service: str) -> None:
    assert re.fullmatch(r"\$\{\w+_IMAGE:-[\w./-]+:[\w.-]*\d[\w.-]*\}", SERVICES[service]["image"])


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_confined(service: str) -> None:
    found = SERVICES[service]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["pids_limit"] > 0
    assert found["mem_limit"]
    assert "privileged" not in found


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_is_literal_or_has_a_default(service: str) -> None:
    for name, value in variables(service).items():
        if SECRET.search(name):
            assert re.search(r"\$\{\w+:\?run wgan init-env first\}", value)
    for url in re.findall(r"://[^@/\s\"]*@", TEXT):
        assert ":?run wgan init-env first}" in url


EXPECTED_SECRETS = {
    "serving": {"MLFLOW_SERVING_PASSWORD", "PREFECT_READER_AUTH_STRING"},
    "worker": {
        "PREFECT_AUTH_STRING",
        "S3_PIPELINE_ACCESS_KEY_ID",
        "S3_PIPELINE_SECRET_ACCESS_KEY",
        "MLFLOW_PIPELINE_PASSWORD",
        "SIGNING_KEY",
        "RAY_AUTH_TOKEN",
    },
    "ray-head": {"RAY_AUTH_TOKEN"},
    "ray-worker": {"RAY_AUTH_TOKEN"},
    "ray-worker-2": {"RAY_AUTH_TOKEN"},
    "schedule-apply": {"PREFECT_AUTH_STRING"},
    "bucket": {"S3_ADMIN_ACCESS_KEY_ID", "S3_ADMIN_SECRET_ACCESS_KEY"},
    "prefect": {"PREFECT_DB_PASSWORD", "REDIS_PASSWORD", "PREFECT_AUTH_STRING", "PREFECT_READER_AUTH_STRING"},
    "prefect-services": {"PREFECT_DB_PASSWORD", "REDIS_PASSWORD", "PREFECT_AUTH_STRING"},
    "migrate-prefect": {"PREFECT_DB_PASSWORD"},
    "migrate-mlflow": {"MLFLOW_DB_PASSWORD"},
    "mlflow": {
        "MLFLOW_DB_PASSWORD",
        "MLFLOW_ADMIN_PASSWORD",
        "MLFLOW_SECRET_KEY",
        "S3_MLFLOW_ACCESS_KEY_ID",
        "S3_MLFLOW_SECRET_ACCESS_KEY",
    },
    "mlflow-users": {"MLFLOW_ADMIN_PASSWORD", "MLFLOW_PIPELINE_PASSWORD", "MLFLOW_SERVING_PASSWORD"},
    "serving-2": {"MLFLOW_SERVING_PASSWORD", "PREFECT_READER_AUTH_STRING"},
    "proxy": set(),
    "prometheus": set(),
    "grafana": {"GRAFANA_ADMIN_PASSWORD"},
    "redis": {"REDIS_PASSWORD"},
    "postgres": {"POSTGRES_PASSWORD", "PREFECT_DB_PASSWORD", "MLFLOW_DB_PASSWORD"},
}


@pytest.mark.parametrize("service", EXPECTED_SECRETS)
def test_a_service_has_the_credentials_it_needs_and_no_others(service: str) -> None:
    assert secrets_of(service) == EXPECTED_SECRETS[service]


def test_neither_worker_nor_serving_shares_a_network_with_the_databases() -> None:
    for service in (
        "worker",
        "worker-gpu",
        "ray-head",
        "ray-worker",
        "ray-worker-2",
        "serving",
        "serving-2",
        "proxy",
        "prometheus",
        "grafana",
    ):
        assert SERVICES[service]["networks"] == ["services"]
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["databases"]


@pytest.mark.parametrize("service", OWN)
def test_every_service_of_this_pipeline_waits_for_what_it_needs(service: str) -> None:
    assert variables(service)["WAIT_FOR"]
    assert SERVICES[service]["depends_on"]


def test_the_proxy_passes_requests_to_every_replica() -> None:
    named = re.findall(r"^server ([\w-]+):8080", (INFRA / "nginx/replicas.conf").read_text(), re.MULTILINE)
    replicas = [name for name, service in SERVICES.items() if service.get("command", [])[:2] == ["wgan", "serve"]]
    assert named == replicas == list(SERVICES["proxy"]["depends_on"])


def test_the_dashboard_uses_metrics_that_serving_has() -> None:
    dashboard = json.loads((INFRA / "observability/grafana/dashboards/serving.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bwgan_\w+", target["expr"])
    }
    known = {
        metric.name + suffix
        for metric in Metrics().registry.collect()
        for suffix in ("", "_total", "_bucket", "_sum", "_count")
    }
    assert asked
    assert asked <= known


@pytest.mark.parametrize("name", ["build", "serving", "services", "trainer"])
def test_everything_installed_is_pinned_with_hashes(name: str) -> None:
    text = (INFRA / "requirements" / f"{name}.txt").read_text()
    entries = re.findall(r"^(\w\S*)(.*(?:\n    .*)*)", text, re.MULTILINE)
    assert entries
    for requirement, hashes in entries:
        assert re.fullmatch(r"[\w.-]+==[\w.]+", requirement)
        assert "--hash=sha256:" in hashes


@pytest.mark.parametrize("name", ["serving", "services", "trainer"])
def test_the_images_have_the_tested_versions(name: str) -> None:
    tested = dict(
        line.lower().replace("_", "-").split("==")
        for line in (INFRA.parent / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    pinned = re.findall(r"^([\w.-]+)==([\w.]+)", (INFRA / "requirements" / f"{name}.txt").read_text(), re.MULTILINE)
    differing = {
        one: version
        for one, version in pinned
        if (key := one.lower().replace("_", "-")) in tested and tested[key] != version
    }
    assert differing == {}


def test_the_images_that_the_documents_build_are_targets_of_the_container_file() -> None:
    text = (INFRA / "Containerfile").read_text()
    targets, arguments = re.findall(r"^FROM \S+ AS (\S+)", text, re.M), re.findall(r"^ARG (\w+)", text, re.M)
    builds = [line for line in shell_commands(ROOT / "docs/containers.md") if line.startswith("podman build ")]
    assert builds
    for words in map(shlex.split, builds):
        options = dict(itertools.pairwise(words))
        assert (ROOT / options["-f"]).is_file()
        assert options["--target"] in targets
        assert options.get("--build-arg", "BASE_IMAGE").partition("=")[0] in arguments


@pytest.mark.parametrize("name", ["serving", "services"])
def test_the_images_without_torch_do_not_require_it(name: str) -> None:
    assert not re.search(r"^(torch|nvidia|triton)", (INFRA / f"requirements/{name}.txt").read_text(), re.MULTILINE)


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the images' Python is 3.11, and others need other packages"
)
@pytest.mark.parametrize(("name", "extra"), [("serving", "serve"), ("services", "pipeline")])
def test_the_images_without_torch_have_the_packages_of_their_extra(name: str, extra: str) -> None:
    needed = {canonicalize_name(found) for found in required("wgan-pipeline", extra)} - {"wgan-pipeline"}
    assert needed <= pinned_in(name)


@pytest.mark.parametrize("name", ["serving", "services", "trainer"])
def test_every_image_can_send_traces(name: str) -> None:
    texts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["telemetry"]
    named = {Requirement(text).name for text in texts}
    needed = named.union(*(required(distribution, "") for distribution in named))
    assert {canonicalize_name(found) for found in needed} <= pinned_in(name)


def pinned_in(name: str) -> set[str]:
    """Packages that an image installs."""
    text = (INFRA / f"requirements/{name}.txt").read_text()
    return {canonicalize_name(found) for found in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
