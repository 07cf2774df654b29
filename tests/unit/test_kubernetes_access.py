"""Which pod of the cluster manifests holds which secret and may connect to which: no more than it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.kubernetes_overlays import FOLDER, OVERLAYS, Workload, of_kind, overlay, selects, workloads_of
from wgan.commands.init_env import new_env_file

S3_ADMIN, S3_PIPELINE, S3_MLFLOW = (
    {f"{who}_ACCESS_KEY_ID", f"{who}_SECRET_ACCESS_KEY"} for who in ("S3_ADMIN", "S3_PIPELINE", "S3_MLFLOW")
)
PREFECT_SERVER = {"PREFECT_DB_PASSWORD", "PREFECT_AUTH_STRING", "REDIS_PASSWORD"}
SECRETS_NEEDED = {
    "postgres": {"POSTGRES_PASSWORD", "PREFECT_DB_PASSWORD", "MLFLOW_DB_PASSWORD"},
    "redis": {"REDIS_PASSWORD"},
    "s3": S3_ADMIN | S3_PIPELINE | S3_MLFLOW,
    "mlflow": {"MLFLOW_DB_PASSWORD", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_SECRET_KEY", *S3_MLFLOW},
    "prefect": PREFECT_SERVER | {"PREFECT_READER_AUTH_STRING"},
    "prefect-services": PREFECT_SERVER,
    "prefect-migrations": {"PREFECT_DB_PASSWORD"},
    "mlflow-migrations": {"MLFLOW_DB_PASSWORD"},
    "mlflow-users": {"MLFLOW_ADMIN_PASSWORD", "MLFLOW_PIPELINE_PASSWORD", "MLFLOW_SERVING_PASSWORD"},
    "bucket": S3_ADMIN,
    "schedules": {"PREFECT_AUTH_STRING"},
    "worker": {
        "MLFLOW_PIPELINE_PASSWORD",
        "PREFECT_AUTH_STRING",
        "SIGNING_KEY",
        "WGAN_NOTIFY_URL",
        "WGAN_SERVING_API_KEY",
        *S3_PIPELINE,
    },
    "serving": {"MLFLOW_SERVING_PASSWORD", "PREFECT_READER_AUTH_STRING", "WGAN_SERVE_API_KEYS"},
}
OPTIONAL_SECRETS = {"WGAN_NOTIFY_URL", "WGAN_SERVING_API_KEY", "WGAN_SERVE_API_KEYS"}
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|API_KEY|SIGNING_KEY|AUTH_STRING|NOTIFY_URL|AUTH$")


@pytest.fixture(params=OVERLAYS)
def resources(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """The rendered overlays, one after the other."""
    return overlay(request.param)


@pytest.fixture
def workloads(resources: list[dict[str, Any]]) -> list[Workload]:
    """Its workloads."""
    return workloads_of(resources)


def variables(container: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Its environment, entry by entry."""
    yield from container.get("env", [])


def test_no_file_holds_a_secret() -> None:
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    assert [
        file for file in files if re.search(r"^kind: Secret$|secretGenerator", file.read_text(), re.MULTILINE)
    ] == []
    assert [file for file in files if file.name.startswith(".env")] == []


def test_every_pod_gets_the_secrets_it_needs_and_no_other(workloads: list[Workload]) -> None:
    made = {line.partition("=")[0] for line in new_env_file().splitlines() if not line.startswith("#")}
    for workload in workloads:
        got = set()
        for container in workload.containers:
            assert not [source for source in container.get("envFrom", []) if "secretRef" in source]
            for entry in variables(container):
                reference = entry.get("valueFrom", {}).get("secretKeyRef")
                if reference:
                    assert reference["name"] == "wgan-secrets"
                    assert reference["key"] in made or reference.get("optional") is True, reference["key"]
                    got.add(reference["key"])
        assert got == SECRETS_NEEDED[workload.name], workload.name
        assert not [volume for volume in workload.pod["volumes"] if "secret" in volume]
    assert not OPTIONAL_SECRETS & made


def test_no_secret_is_literal(resources: list[dict[str, Any]], workloads: list[Workload]) -> None:
    assert of_kind(resources, "Secret") == {}
    for workload in workloads:
        for container in workload.containers:
            for entry in variables(container):
                if "value" not in entry:
                    continue
                assert not SECRET_NAME.search(entry["name"]), entry["name"]
                assert not re.search(r"://[^/@]*:(?!\$\([A-Z_]+\)@)[^/@]*@", entry["value"]), entry["name"]
    for settings in of_kind(resources, "ConfigMap").values():
        assert not [name for name in settings["data"] if SECRET_NAME.search(name)]


def test_every_volume_and_setting_that_a_pod_names_exists(
    resources: list[dict[str, Any]], workloads: list[Workload]
) -> None:
    maps = of_kind(resources, "ConfigMap")
    for workload in workloads:
        claims = [claim["metadata"]["name"] for claim in workload.resource["spec"].get("volumeClaimTemplates", [])]
        volumes = {volume["name"] for volume in workload.pod["volumes"]} | set(claims)
        used = {mount["name"] for container in workload.containers for mount in container["volumeMounts"]}
        assert used == volumes, workload.name
        for volume in workload.pod["volumes"]:
            assert volume.get("configMap", {}).get("name", next(iter(maps))) in maps
        for container in workload.containers:
            for source in container.get("envFrom", []):
                assert source["configMapRef"]["name"] in maps
            for entry in variables(container):
                reference = entry.get("valueFrom", {}).get("configMapKeyRef")
                assert reference is None or reference["key"] in maps[reference["name"]]["data"]


def test_every_service_selects_one_workload(resources: list[dict[str, Any]], workloads: list[Workload]) -> None:
    services = of_kind(resources, "Service")
    assert set(services) == {"postgres", "redis", "s3", "mlflow", "prefect", "serving"}
    for name, service in services.items():
        (behind,) = [item for item in workloads if selects(service["spec"]["selector"], item.labels)]
        assert behind.name == name
        ports = {port["name"]: port["containerPort"] for item in behind.containers for port in item.get("ports", [])}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
    for workload in workloads:
        if workload.resource["kind"] != "Job":
            assert selects(workload.resource["spec"]["selector"]["matchLabels"], workload.labels)


def test_the_network_is_closed_but_for_what_each_pod_uses(
    resources: list[dict[str, Any]], workloads: list[Workload]
) -> None:
    policies = of_kind(resources, "NetworkPolicy")
    closed = policies["deny-by-default"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    services = of_kind(resources, "Service")
    ports = {name: {port["port"] for port in service["spec"]["ports"]} for name, service in services.items()}
    for client in workloads:
        for server in workloads:
            for port in ports.get(server.name, set()):
                out = any(_lets(policy, "egress", client, server, port) for policy in policies.values())
                inside = any(_lets(policy, "ingress", server, client, port) for policy in policies.values())
                wanted = server.name in client.servers
                assert out == wanted, f"{client.name} to {server.name}"
                assert inside == (wanted or server.name == "serving"), f"{server.name} from {client.name}"
    online = {workload.name for workload in workloads if "internet" in workload.servers}
    assert online == {"worker"}


def _lets(policy: dict[str, Any], direction: str, own: Workload, other: Workload, port: int) -> bool:
    """Whether a policy allows the pod `own` to connect to (egress) or accept (ingress) the pod `other` at the port."""
    if not selects(policy["spec"]["podSelector"].get("matchLabels", {}), own.labels):
        return False
    for rule in policy["spec"].get(direction, []):
        peers = rule["to" if direction == "egress" else "from"]
        reached = any(
            selects(peer["podSelector"]["matchLabels"], other.labels)
            if "podSelector" in peer
            else peer.get("namespaceSelector") == {}
            for peer in peers
        )
        if reached and port in {entry["port"] for entry in rule["ports"]}:
            return True
    return False


def test_every_network_policy_selects_something(resources: list[dict[str, Any]], workloads: list[Workload]) -> None:
    for policy in of_kind(resources, "NetworkPolicy").values():
        selector = policy["spec"]["podSelector"].get("matchLabels", {})
        assert [item for item in workloads if selects(selector, item.labels)], policy["metadata"]["name"]


def test_a_pod_may_reach_the_servers_that_it_names(workloads: list[Workload]) -> None:
    for workload in workloads:
        text = " ".join(entry.get("value", "") for item in workload.containers for entry in variables(item))
        named = set(re.findall(r"(?:tcp://|http://|@)([a-z0-9-]+):\d", text))
        named |= {word for word in ("mlflow", "prefect") if re.search(rf"(^| ){word}( |$)", text)}
        assert named <= workload.servers, workload.name
