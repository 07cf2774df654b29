"""The cluster manifests: valid, hardened, bounded, probed, and the same services as the compose file's."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.unit.kubernetes_overlays import (
    FOLDER,
    INFRA,
    OVERLAYS,
    Workload,
    of_kind,
    overlay,
    render,
    selects,
    workloads_of,
)
from tests.unit.raycluster_schema import pods_of
from wgan.schedules import read_declared
from wgan.serving.metrics import Metrics
from wgan.settings import Settings

KUBERNETES_VERSIONS = ("1.30", "1.37")
"""The oldest version that supports everything in use (a pause as preStop), and the newest with installed schemas."""
KUSTOMIZATIONS = sorted(FOLDER.rglob("kustomization.yaml"))
RESOURCE_FILES = [
    file.parent / name
    for file in KUSTOMIZATIONS
    for name in yaml.safe_load(file.read_text())["resources"]
    if (file.parent / name).is_file()
]
OWN_IMAGES = ("wgan-services", "wgan-serving", "wgan-trainer")


@pytest.fixture(params=OVERLAYS)
def resources(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """The rendered overlays, one after the other."""
    return overlay(request.param)


@pytest.fixture
def workloads(resources: list[dict[str, Any]]) -> list[Workload]:
    """Its workloads."""
    return workloads_of(resources)


# The sources, without rendering.


@pytest.mark.parametrize("file", KUSTOMIZATIONS, ids=lambda file: file.parent.name)
def test_everything_that_a_kustomization_names_exists(file: Path) -> None:
    said = yaml.safe_load(file.read_text())
    names = [*said["resources"], *(patch["path"] for patch in said.get("patches", []))]
    names += said.get("configurations", [])
    for generator in said["configMapGenerator"]:
        names += generator.get("files", []) + generator.get("envs", [])
    assert [name for name in names if not (file.parent / name).exists()] == []


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("file", RESOURCE_FILES, ids=lambda file: file.name)
def test_every_file_of_resources_is_valid_by_itself(file: Path, version: str) -> None:
    documents = list(yaml.safe_load_all(file.read_text()))
    for document in itertools.chain.from_iterable(map(standard, documents)):
        kubernetes_validate.validate(document, version, strict=True)
    assert documents


def standard(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The document, or what Kubernetes's schemas know of it."""
    return pods_of(document) if document["kind"] == "RayCluster" else [document]


def test_an_unknown_field_is_refused_by_the_schema() -> None:
    service = yaml.safe_load((FOLDER / "base" / "mlflow.yaml").read_text().split("---")[0])
    service["spec"]["selectors"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="selectors"):
        kubernetes_validate.validate(service, KUBERNETES_VERSIONS[-1], strict=True)


@pytest.mark.parametrize(
    ("copy", "original"),
    [("databases.sh", "postgres/databases.sh"), ("redis.sh", "redis/start.sh"), ("seaweedfs.sh", "seaweedfs/start.sh")],
)
def test_the_scripts_are_those_of_the_compose_file(copy: str, original: str) -> None:
    assert (FOLDER / "base" / copy).read_text() == (INFRA / original).read_text()


def test_every_setting_exists_in_the_pipeline() -> None:
    said = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())
    names = {line.partition("=")[0] for line in (FOLDER / "base" / "settings.env").read_text().splitlines()}
    for name in (*OVERLAYS, "ray"):
        merged = yaml.safe_load((FOLDER / "overlays" / name / "kustomization.yaml").read_text())
        names |= {text.partition("=")[0] for text in merged["configMapGenerator"][0]["literals"]}
    assert names <= {f"WGAN_{name.upper()}" for name in Settings.model_fields}
    assert {"name": "wgan-settings", "envs": ["settings.env"]} in said["configMapGenerator"]


def test_the_schedules_can_be_applied() -> None:
    declared = read_declared(FOLDER / "base" / "schedules.yaml")
    assert declared.schedules
    assert declared.gpu_slots is None  # the overlay's WGAN_GPU_SLOTS counts


# Rendered overlays.


def test_everything_that_is_applied_is_valid(resources: list[dict[str, Any]]) -> None:
    for resource in resources:
        kubernetes_validate.validate(resource, KUBERNETES_VERSIONS[-1], strict=True)
        assert resource["kind"] == "Namespace" or resource["metadata"]["namespace"] == "wgan"


def test_the_services_are_those_of_the_compose_file(workloads: list[Workload]) -> None:
    assert {workload.name for workload in workloads} == {
        "postgres", "redis", "s3", "mlflow", "prefect", "prefect-services", "worker", "serving",
        "prefect-migrations", "mlflow-migrations", "mlflow-users", "bucket", "schedules",
    }  # fmt: skip
    text = (INFRA / "compose.yaml").read_text()
    defaults = set(re.findall(r"^\s+image: \$\{\w+:-(\S+)\}$", text, re.MULTILINE))
    assert {container["image"] for workload in workloads for container in workload.containers} <= defaults


def test_the_namespace_refuses_pods_that_are_not_restricted(resources: list[dict[str, Any]]) -> None:
    labels = of_kind(resources, "Namespace")["wgan"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_pod_runs_as_an_unprivileged_user(workloads: list[Workload]) -> None:
    for workload in workloads:
        context = workload.pod["securityContext"]
        assert context["runAsNonRoot"] is True
        own = all(container["image"].split(":")[0] in OWN_IMAGES for container in workload.containers)
        assert context["runAsUser"] == (10001 if own or workload.name != "postgres" else 999)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert workload.pod["automountServiceAccountToken"] is False
        # Kubernetes's own variables of a service `mlflow` would include MLFLOW_PORT, which MLflow reads.
        assert workload.pod["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & workload.pod.keys()
        assert not [volume for volume in workload.pod["volumes"] if "hostPath" in volume]


def test_every_container_is_locked_down_and_bounded(workloads: list[Workload]) -> None:
    for workload in workloads:
        for container in workload.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            for bound in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][bound].keys(), (workload.name, bound)


def test_every_server_is_probed(workloads: list[Workload]) -> None:
    servers = [container for workload in workloads for container in workload.containers if "ports" in container]
    assert len(servers) == 6
    for container in servers:
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(), container["name"]
    (serving,) = [container for container in servers if container["name"] == "serving"]
    assert serving["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert serving["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_every_image_can_be_replaced(resources: list[dict[str, Any]], tmp_path: Path) -> None:
    used = [container["image"] for item in workloads_of(resources) for container in item.containers]
    names = {image.split(":")[0] for image in used}
    assert all(":" in image and not image.endswith(":latest") for image in used)
    overlay = "gpu" if any(image.endswith("-cuda") for image in used) else "cpu"
    replaced = {
        "resources": [os.path.relpath(FOLDER / "overlays" / overlay, tmp_path.resolve())],
        "images": [{"name": name, "newName": f"mirror/{name}", "newTag": "tested"} for name in sorted(names)],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(replaced))
    again = [container["image"] for item in workloads_of(render(tmp_path.resolve())) for container in item.containers]
    assert sorted(again) == sorted(f"mirror/{image.split(':')[0]}:tested" for image in used)


def test_serving_is_scaled_by_load_and_survives_a_drained_node(resources: list[dict[str, Any]]) -> None:
    scaler = of_kind(resources, "HorizontalPodAutoscaler")["serving"]["spec"]
    target = of_kind(resources, scaler["scaleTargetRef"]["kind"])[scaler["scaleTargetRef"]["name"]]
    assert "replicas" not in target["spec"]  # or every `kubectl apply` would undo the scaling
    by_pods = [entry["pods"]["metric"]["name"] for entry in scaler["metrics"] if entry["type"] == "Pods"]
    assert set(by_pods) <= {metric.name for metric in Metrics().registry.collect()}
    assert {entry["type"] for entry in scaler["metrics"]} == {"Resource", "Pods"}
    budget = of_kind(resources, "PodDisruptionBudget")["serving"]["spec"]
    assert selects(budget["selector"]["matchLabels"], Workload(target).labels)
    assert budget["minAvailable"] < scaler["minReplicas"] < scaler["maxReplicas"]


def test_a_stopping_pod_gets_the_time_it_needs(workloads: list[Workload]) -> None:
    by_name = {workload.name: workload for workload in workloads}
    assert by_name["worker"].pod["terminationGracePeriodSeconds"] >= 150  # as in the compose file
    serving = by_name["serving"]
    pause = serving.containers[0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    longest = Settings.model_fields["serve_request_seconds"].default + 5
    assert serving.pod["terminationGracePeriodSeconds"] > longest + pause


def test_set_up_jobs_are_retried_and_cleaned_up(workloads: list[Workload]) -> None:
    jobs = [workload for workload in workloads if workload.resource["kind"] == "Job"]
    assert {job.name for job in jobs} == {
        "prefect-migrations", "mlflow-migrations", "mlflow-users", "bucket", "schedules",
    }  # fmt: skip
    for job in jobs:
        assert job.pod["restartPolicy"] == "OnFailure"
        assert job.resource["spec"]["ttlSecondsAfterFinished"] > 0
        assert job.resource["metadata"]["labels"]["app.kubernetes.io/component"] == "setup"


def test_the_overlays_differ_only_in_the_device() -> None:
    cpu, gpu = (_without_hashes(overlay(name)) for name in OVERLAYS)
    settings = [of_kind(side, "ConfigMap")["wgan-settings"]["data"].pop("WGAN_DEVICE") for side in (cpu, gpu)]
    assert settings == ["cpu", "cuda"]
    plain, other = (Workload(of_kind(side, "Deployment")["worker"]) for side in (cpu, gpu))
    pod = other.resource["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["resources"]["limits"].pop("nvidia.com/gpu") == 1
    assert pod.pop("nodeSelector") == {"nvidia.com/gpu.present": "true"}
    assert [entry["key"] for entry in pod.pop("tolerations")] == ["nvidia.com/gpu"]
    assert container["image"] == f"{plain.containers[0]['image']}-cuda"
    container["image"] = plain.containers[0]["image"]
    assert gpu == cpu


def _without_hashes(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A copy in which generated names do not depend on what they name."""
    text = yaml.safe_dump_all(resources)
    for name in of_kind(resources, "ConfigMap"):
        text = text.replace(name, name.rpartition("-")[0])
    return list(yaml.safe_load_all(text))
