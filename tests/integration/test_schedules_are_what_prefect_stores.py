"""What `wgan schedule` stores on the Prefect server equals, field by field, what Prefect's own client would store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.server.schemas.states import StateType
from prefect.utilities.callables import parameter_schema_from_entrypoint

from wgan.prefect_server.automations import ENDS, HEARTBEAT, RUNNING, put_automations
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.gpu_slots import set_gpu_slots
from wgan.prefect_server.schedule_changes import put_housekeeping, put_schedule, run_schedule
from wgan.prefect_server.work_pool import CLOSED_TEMPLATE, ensure_work_pool
from wgan.schedules import Clock, Schedule, make_schedule
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=1)

OF_ITS_OWN = {"id", "created", "updated", "deployment_id", "default_queue_id", "work_queue_id", "last_polled", "status"}
"""Fields in which two equal objects on one server differ."""
POOL = "as-prefect-stores-it"
EVERY_WEEK = {"cron": "0 3 * * 1", "timezone": "Europe/Berlin", "preset": "digits"}
CONDITION = ", if at least 5% of the images are new and if the data has drifted"
SCHEDULES = [
    make_schedule(name="stored", **EVERY_WEEK),
    make_schedule(
        name="stored",
        **EVERY_WEEK,
        if_changed=True,
        min_new="5%",
        if_drifted=True,
        promote=False,
        paused=True,
        overlap="cancel",
    ),
]


@pytest.fixture(scope="module")
def server(stack: Settings) -> Iterator[PrefectServer]:
    with PrefectServer(stack) as server:
        ensure_work_pool(server, POOL)
        yield server


@pytest.fixture(scope="module")
def client(stack: Settings) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def stored(client: SyncPrefectClient, route: str) -> Any:
    """The server's objects under the route, without ids and times."""

    def shared(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shared(inner) for name, inner in value.items() if name not in OF_ITS_OWN}
        return [shared(inner) for inner in value] if isinstance(value, list) else value

    found = shared(client.request("GET", route).json())
    if limit := found.get("global_concurrency_limit"):
        limit["name"] = limit["name"].partition(":")[0]  # the rest is the deployment's id
    return found


def put_as_prefect(client: SyncPrefectClient, flow: str, name: str, clock: Clock, **values: Any) -> None:
    """A deployment as Prefect's client makes it."""
    entrypoint = f"flows.{flow}.{flow}"
    client.create_deployment(
        flow_id=client.create_flow_from_name(flow),
        name=name,
        entrypoint=entrypoint,
        path=".",
        work_pool_name=POOL,
        parameter_openapi_schema=parameter_schema_from_entrypoint(entrypoint).model_dump_for_openapi(),
        enforce_parameter_schema=True,
        schedules=[
            DeploymentScheduleCreate(schedule=CronSchedule(cron=clock.cron, timezone=clock.timezone), active=True)
        ],
        concurrency_limit=1,
        **values,
    )


def put_schedule_as_prefect(client: SyncPrefectClient, schedule: Schedule) -> None:
    cancels = schedule.overlap == "cancel"
    put_as_prefect(
        client,
        "retrain",
        schedule.name,
        schedule,
        parameters={
            "config": schedule.resolved().model_dump(mode="json"),
            "promote": schedule.promote,
            "only_if_changed": schedule.if_changed,
            "min_new": schedule.min_new,
            "only_if_drifted": schedule.if_drifted,
        },
        concurrency_options=ConcurrencyOptions(
            collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW if cancels else ConcurrencyLimitStrategy.ENQUEUE,
            grace_period_seconds=600,
        ),
        tags=["wgan-schedule", "model:generator-digits"],
        paused=schedule.paused,
        description=f"Retrains generator-digits{CONDITION if schedule.if_changed else ''}. A run that is "
        f"due while the one before is running {'is cancelled' if cancels else 'waits'}. Retrainings "
        "of one model follow each other, however they are started.",
    )


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["plain", "with everything else"])
@pytest.mark.parametrize("edited", [False, True], ids=["new", "edited on Prefect's page"])
def test_a_schedule(schedule: Schedule, edited: bool, server: PrefectServer, client: SyncPrefectClient) -> None:
    route = f"/deployments/name/retrain/{schedule.name}"
    found = []
    for put in (put_schedule_as_prefect, lambda _client, schedule: put_schedule(server, schedule, POOL)):
        put(client, schedule)
        if edited:
            page = {
                "description": "mine", "tags": ["mine"], "path": "/mine", "version": "mine", "concurrency_limit": 7,
                "schedules": [{"schedule": {"interval": 60}, "active": False}], "enforce_parameter_schema": False,
                "work_queue_name": "mine", "parameters": {},
            }  # fmt: skip
            client.request("PATCH", f"/deployments/{client.request('GET', route).json()['id']}", json=page)
            put(client, schedule)
        found.append(stored(client, route))
        client.request("DELETE", f"/deployments/{client.request('GET', route).json()['id']}")
    theirs, ours = found
    assert ours == theirs
    assert ours["parameter_openapi_schema"]["definitions"].keys() >= {"RetrainConfig", "TrainingConfig"}


def test_housekeeping(server: PrefectServer, client: SyncPrefectClient) -> None:
    clock = Clock(cron="30 2 * * *")
    put_as_prefect(
        client,
        "housekeeping",
        "housekeeping",
        clock,
        parameters={},
        concurrency_options=ConcurrencyOptions(
            collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW, grace_period_seconds=600
        ),
        tags=["wgan-schedule"],
        paused=False,
        description="Removes what is no longer referred to. A run that is due while one runs is cancelled.",
    )
    theirs = stored(client, "/deployments/name/housekeeping/housekeeping")
    assert put_housekeeping(server, clock, POOL) is False
    assert stored(client, "/deployments/name/housekeeping/housekeeping") == theirs


def test_a_run_on_demand(server: PrefectServer, client: SyncPrefectClient) -> None:
    put_schedule(server, SCHEDULES[1], POOL)
    deployment = client.read_deployment_by_name("retrain/stored")
    theirs = client.create_flow_run_from_deployment(deployment.id, tags=deployment.tags)
    ours = client.read_flow_run(run_schedule(server, "stored"))  # type: ignore[arg-type]
    fields = {
        "auto_scheduled", "deployment_id", "flow_id", "idempotency_key", "infrastructure_document_id", "job_variables",
        "labels", "parameters", "state_name", "state_type", "tags", "work_pool_name", "work_queue_name",
    }  # fmt: skip
    assert ours.model_dump(include=fields) == theirs.model_dump(include=fields)
    assert abs(ours.expected_start_time - theirs.expected_start_time).total_seconds() < 60


def test_the_automations(server: PrefectServer, client: SyncPrefectClient, stack: Settings) -> None:
    name, of_arrivals = put_automations(server, stack)
    (ours,) = client.read_automations_by_name(of_arrivals)
    assert ours.actions == [RunDeployment(source="inferred")]
    assert isinstance(ours.trigger, EventTrigger)
    assert ours.trigger.posture == Posture.Reactive
    automation = AutomationCore(
        name=name,
        description="A run that sent no heartbeat for 90 s has died with its process or machine.",
        trigger=EventTrigger(
            match=ResourceSpecification.model_validate({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification.model_validate(
                {"prefect.resource.role": "flow", "prefect.resource.name": "!release"}
            ),
            after={HEARTBEAT, RUNNING},
            expect={HEARTBEAT, *ENDS},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=90,  # type: ignore[arg-type]
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name="Crashed", message="No heartbeat for 90 s: its process died."
            )
        ],
    )
    (ours,) = client.read_automations_by_name(name)
    theirs = client.read_automation(client.create_automation(automation))
    assert theirs is not None
    left_out = {"id", "created", "updated"}
    assert AutomationCore.model_validate(ours.model_dump(exclude=left_out)) == AutomationCore.model_validate(
        theirs.model_dump(exclude=left_out)
    )
    put_automations(server, stack)  # one of the two goes, and none is changed
    (left,) = client.read_automations_by_name(name)
    assert left.id == theirs.id


def test_the_work_pool(server: PrefectServer, client: SyncPrefectClient) -> None:
    client.create_work_pool(WorkPoolCreate(name="by-prefect", type="process", base_job_template=CLOSED_TEMPLATE))
    theirs = stored(client, "/work_pools/by-prefect")
    assert stored(client, f"/work_pools/{POOL}") == {**theirs, "name": POOL}
    client.delete_work_pool("by-prefect")


def test_the_gpu_slots(server: PrefectServer, client: SyncPrefectClient) -> None:
    before = client.read_global_concurrency_limit_by_name("gpu").limit
    client.upsert_global_concurrency_limit_by_name("gpu", 5)
    theirs = stored(client, "/v2/concurrency_limits/gpu")
    client.delete_global_concurrency_limit_by_name("gpu")
    set_gpu_slots(server, 4)
    set_gpu_slots(server, 5)
    assert stored(client, "/v2/concurrency_limits/gpu") == theirs
    set_gpu_slots(server, before)
