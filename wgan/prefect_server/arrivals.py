"""Events about new objects in S3, on which an automation of the server starts the schedules that read them."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.schedule_listing import entry_of
from wgan.prefect_server.stored_deployments import Deployment, all_deployments

ARRIVED = "wgan.data.arrived"
NAMED_KEYS = 5


def announce_arrivals(server: PrefectServer, changed: Collection[tuple[str, str]]) -> list[str]:
    """Emit an event for each schedule that some of the objects, (bucket, key), concern; returns the schedules' names.

    A schedule is concerned if it trains on a condition, is not paused, and reads below an S3 address that an object is
    at or below. Raises `WganError`.
    """
    concerned = []
    for deployment in all_deployments(server):
        keys = sorted(key for bucket, key in changed if _reads(deployment, bucket, key))
        if keys and not deployment.paused and entry_of(deployment, []).condition:
            concerned.append((deployment, keys))
    if concerned:
        server.add("events", [_event(deployment, keys) for deployment, keys in concerned])
    return [deployment.name for deployment, _ in concerned]


def _reads(deployment: Deployment, bucket: str, key: str) -> bool:
    config = deployment.parameters.get("config")
    data = config.get("data") if isinstance(config, dict) else None
    location = data.get("location") if isinstance(data, dict) else None
    if not isinstance(location, str) or not location.startswith("s3://"):
        return False
    read, _, below = location.removeprefix("s3://").partition("/")
    below = below.rstrip("/")
    return bucket == read and (not below or key == below or key.startswith(f"{below}/"))


def _event(deployment: Deployment, keys: list[str]) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": ARRIVED,
        "resource": {
            "prefect.resource.id": f"prefect.deployment.{deployment.id}",
            "prefect.resource.name": deployment.name,
        },
        "related": [],
        "payload": {"objects": len(keys), "for example": keys[:NAMED_KEYS]},
    }
