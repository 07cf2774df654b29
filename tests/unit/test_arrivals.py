"""Which schedules start when objects arrive in S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from wgan.config_reading import load_config
from wgan.prefect_server.arrivals import ARRIVED, announce_arrivals
from wgan.prefect_server.stored_deployments import Deployment


class Server:
    """Has some deployments, and keeps the events."""

    def __init__(self, *deployments: Deployment) -> None:
        self.deployments = deployments
        self.events: list[dict[str, Any]] = []

    def pages(self, kind: Any, route: str, **values: Any) -> Iterator[Deployment]:
        yield from self.deployments

    def add(self, route: str, entries: list[dict[str, Any]]) -> None:
        assert route == "events"
        self.events += entries


def schedule(location: str | None, name: str = "faces", **more: Any) -> Deployment:
    config = load_config("photos64", assignments=["data.source=s3", "data.location=s3://x/y", "data.name=faces"])
    values = config.model_dump(mode="json")
    values["data"]["location"] = location
    parameters = {"config": values, "only_if_changed": True, **more.pop("parameters", {})}
    return Deployment(id=f"id-of-{name}", name=name, parameters=parameters, **more)


def announced(deployment: Deployment, *keys: str, bucket: str = "incoming") -> list[str]:
    return announce_arrivals(Server(deployment), {(bucket, key) for key in keys})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "location",
    ["s3://incoming", "s3://incoming/", "s3://incoming/faces", "s3://incoming/faces/", "s3://incoming/faces/1.png"],
)
def test_a_schedule_starts_if_an_object_is_at_or_below_its_address(location: str) -> None:
    assert announced(schedule(location), "faces/1.png") == ["faces"]


@pytest.mark.parametrize(
    "location", ["s3://incoming/face", "s3://incoming/faces/2.png", "s3://income", "/incoming/faces", None]
)
def test_a_schedule_that_reads_elsewhere_does_not(location: str | None) -> None:
    assert announced(schedule(location), "faces/1.png") == []


def test_a_schedule_without_a_condition_waits_for_its_clock_and_a_paused_one_for_a_person() -> None:
    assert announced(schedule("s3://incoming", parameters={"only_if_changed": False}), "1.png") == []
    assert announced(schedule("s3://incoming", parameters={"only_if_changed": False, "min_new": "5%"}), "1.png")
    assert announced(schedule("s3://incoming", parameters={"only_if_changed": False, "only_if_drifted": True}), "1.png")
    assert announced(schedule("s3://incoming", paused=True), "1.png") == []


def test_each_schedule_gets_one_event_about_its_own_objects() -> None:
    server = Server(schedule("s3://incoming/a", "a"), schedule("s3://incoming/b", "b"), schedule("s3://other", "c"))
    keys = {("incoming", f"{folder}/{number:02}.png") for folder in "ab" for number in range(20)}
    assert announce_arrivals(server, keys) == ["a", "b"]  # type: ignore[arg-type]
    first, second = server.events
    assert first["event"] == ARRIVED
    assert first["resource"]["prefect.resource.id"] == "prefect.deployment.id-of-a"
    assert first["payload"] == {"objects": 20, "for example": [f"a/{number:02}.png" for number in range(5)]}
    assert second["resource"]["prefect.resource.name"] == "b"
