"""The part of KubeRay's RayCluster that the manifests use, as a JSON schema; everything else is refused.

KubeRay publishes no schema package, so these are the names, types and required fields of its API reference for
`ray.io/v1` (https://docs.ray.io/en/master/kuberay/references/api.html, KubeRay 1.7; Apache-2.0), written down here. Pod
templates are Kubernetes's own: `pods_of` makes Deployments of them, for Kubernetes's schemas.
"""

from __future__ import annotations

from typing import Any

import jsonschema

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
COUNT = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}


def _exactly(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    properties = {**required, **optional}
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


GROUP = {"rayStartParams": TEXTS, "template": {"type": "object"}}
SCHEMA = _exactly(
    {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayCluster"},
        "metadata": _exactly({"name": {"type": "string"}}, namespace={"type": "string"}, annotations=TEXTS),
        "spec": _exactly(
            {"headGroupSpec": _exactly(GROUP)},
            rayVersion={"type": "string"},
            workerGroupSpecs={
                "type": "array",
                "items": _exactly(
                    {**GROUP, "groupName": {"type": "string"}, "minReplicas": COUNT, "maxReplicas": COUNT},
                    replicas=COUNT,
                ),
            },
        ),
    }
)


def validate_raycluster(resource: dict[str, Any]) -> None:
    """Raises `jsonschema.ValidationError`."""
    jsonschema.validate(resource, SCHEMA)


def pods_of(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """A Deployment for each group, with its pod template."""
    spec = resource["spec"]
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": group.get("groupName", "head"), "namespace": "wgan"},
            "spec": {
                "selector": {"matchLabels": {"access.wgan/ray": "true"}},
                "template": group["template"],
            },
        }
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])
    ]
