"""The overlay with a RayCluster: what KubeRay and Kubernetes accept, hardened and bounded like everything else."""

from __future__ import annotations

import copy
import importlib.metadata
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.unit.kubernetes_overlays import Workload, of_kind, overlay, selects, workloads_of
from tests.unit.raycluster_schema import pods_of, validate_raycluster
from wgan.commands.init_env import new_env_file

VERSION = "1.37"


@pytest.fixture
def resources() -> list[dict[str, Any]]:
    return overlay("ray")


@pytest.fixture
def cluster(resources: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = of_kind(resources, "RayCluster").values()
    return copy.deepcopy(found)


@pytest.fixture
def nodes(cluster: dict[str, Any], resources: list[dict[str, Any]]) -> list[Workload]:
    """The pods of the cluster, and the worker, which joins it."""
    (worker,) = [workload for workload in workloads_of(resources) if workload.name == "worker"]
    return [*map(Workload, pods_of(cluster)), worker]


def test_everything_that_is_applied_is_valid(resources: list[dict[str, Any]], cluster: dict[str, Any]) -> None:
    validate_raycluster(cluster)
    others = [resource for resource in resources if resource["kind"] != "RayCluster"]
    for resource in [*others, *pods_of(cluster)]:
        kubernetes_validate.validate(resource, VERSION, strict=True)
    assert all(resource["metadata"].get("namespace") == "wgan" for resource in resources[1:])


def test_an_unknown_or_missing_field_of_a_cluster_is_refused(cluster: dict[str, Any]) -> None:
    cluster["spec"]["headGroupSpecs"] = {}
    with pytest.raises(jsonschema.ValidationError, match="headGroupSpecs"):
        validate_raycluster(cluster)
    del cluster["spec"]["headGroupSpecs"], cluster["spec"]["workerGroupSpecs"][0]["groupName"]
    with pytest.raises(jsonschema.ValidationError, match="groupName"):
        validate_raycluster(cluster)


def test_the_cluster_runs_the_trainers_image_and_the_ray_in_it(cluster: dict[str, Any], nodes: list[Workload]) -> None:
    assert {container["image"] for node in nodes for container in node.containers} == {"wgan-trainer:0.1.0"}
    assert cluster["spec"]["rayVersion"] == importlib.metadata.version("ray")


def test_a_worker_has_the_processors_that_ray_hands_out(
    cluster: dict[str, Any], resources: list[dict[str, Any]]
) -> None:
    (group,) = cluster["spec"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    (settings,) = [data["data"] for name, data in of_kind(resources, "ConfigMap").items() if "settings" in name]
    processors = container["resources"]["limits"]["cpu"]
    assert f"--num-cpus={processors}" in container["args"]
    assert settings["WGAN_RAY_WORKER_CPUS"] == group["rayStartParams"]["num-cpus"] == processors


def test_the_worker_and_the_trainers_join_the_head(resources: list[dict[str, Any]], nodes: list[Workload]) -> None:
    _, trainer, worker = nodes
    (settings,) = [data["data"] for name, data in of_kind(resources, "ConfigMap").items() if "settings" in name]
    assert settings["WGAN_RAY_ADDRESS"] == "ray-head-svc:6379"  # KubeRay's name of the service of a cluster `ray`
    assert f"--address={settings['WGAN_RAY_ADDRESS']}" in trainer.containers[0]["args"]
    assert worker.containers[0]["args"][:3] == ["join-ray", "wgan", "worker"]


def test_every_node_is_unprivileged_locked_down_bounded_and_probed(nodes: list[Workload]) -> None:
    for node in nodes:
        context = node.pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert node.pod["automountServiceAccountToken"] is False
        (container,) = node.containers
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        assert {"startupProbe", "livenessProbe"} <= container.keys()
        assert {mount["name"] for mount in container["volumeMounts"]} == {
            volume["name"] for volume in node.pod["volumes"]
        }


def test_every_node_asks_for_the_token_and_the_cluster_has_no_other_secret(nodes: list[Workload]) -> None:
    assert "RAY_AUTH_TOKEN=" in new_env_file()
    for node in nodes:
        environment = {entry["name"]: entry for entry in node.containers[0]["env"]}
        assert environment["RAY_AUTH_MODE"]["value"] == "token"
        secrets = [entry for entry in environment.values() if "secretKeyRef" in entry.get("valueFrom", {})]
        if node.name != "worker":
            assert [entry["name"] for entry in secrets] == ["RAY_AUTH_TOKEN"]


def test_nodes_reach_each_other_and_nobody_else_reaches_them(
    resources: list[dict[str, Any]], nodes: list[Workload]
) -> None:
    policy = of_kind(resources, "NetworkPolicy")["ray-among-its-nodes"]["spec"]
    peers = {"podSelector": {"matchLabels": {"access.wgan/ray": "true"}}}
    assert policy["ingress"] == [{"from": [peers]}]
    assert policy["egress"] == [{"to": [peers]}]
    others = [workload for workload in workloads_of(resources) if workload.name != "worker"]
    assert all(selects(policy["podSelector"]["matchLabels"], node.labels) for node in nodes)
    assert not [other for other in others if selects(policy["podSelector"]["matchLabels"], other.labels)]
