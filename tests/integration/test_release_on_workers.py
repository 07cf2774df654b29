"""Versions on their way to production, on a real worker: who waits for whom, and what ends the wait."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.released_versions import (
    answered_on_the_page,
    asking,
    draws,
    released,
    slow_export,
    story,
    wait_for_suspension,
)
from tests.integration.serving_process import Serving, register, register_exported, serving
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import PATIENCE, Worker, ask, flow_run, read, wait_for_end, worker
from tests.unit.registry.examples import example_decision
from wgan.config_promotion import CanaryConfig
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.release_runs import wake_releases
from wgan.prefect_server.work_pool import ensure_work_pool
from wgan.records import ModelVersionRef, ReleasePlan
from wgan.registry.aliases import model_aliases
from wgan.registry.promotion import promote
from wgan.settings import Settings
from wgan.storage import Storage

pytestmark = pytest.mark.slow(minutes=8)
POOL = "releases"
APPROVED = ReleasePlan(approval=True)


@pytest.fixture(scope="module")
def running_worker(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with PrefectServer(stack) as server:
        ensure_work_pool(server, POOL)
    folder = tmp_path_factory.mktemp("releases")
    with worker(stack, folder, "--limit", "4", WGAN_WORK_POOL=POOL, WGAN_SERVING_URLS="") as running:
        yield running


@pytest.fixture(scope="module")
def registered(stack: Settings, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> list[ModelVersionRef]:
    """Three versions of a model, the first its champion."""
    storage.ensure_bucket()
    name = f"released-{uuid.uuid4().hex[:8]}"
    found = [register(stack, tmp_path_factory.mktemp("versions"), name, seed) for seed in (1, 2, 3)]
    promote(found[0], example_decision(True), stack, storage, expected_champion=None)
    return found


CANARY_MODEL = f"canary-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def canary_worker(stack: Settings, storage: Storage, tmp_path: Path) -> Iterator[tuple[Worker, Serving]]:
    """A process that serves version 1 of a model, watched by a worker."""
    storage.ensure_bucket()
    first = register(stack, tmp_path, CANARY_MODEL, 1)
    promote(first, example_decision(True), stack, storage, expected_champion=None)
    with serving(stack, first.model_name, tmp_path) as process:
        process.wait_ready()
        with PrefectServer(stack) as server:
            ensure_work_pool(server, "canaries")
        url = str(process.client.base_url)
        with worker(stack, tmp_path, WGAN_WORK_POOL="canaries", WGAN_SERVING_URLS=url) as running:
            yield running, process


def test_a_retraining_ends_with_a_version_that_waits_for_approval(stack: Settings) -> None:
    name = f"waiting-{uuid.uuid4().hex[:8]}"
    outcome = json_of(stack, "retrain", *quick(name, "promotion.approval=required"), WGAN_WORK_POOL="unattended")
    assert outcome["promotion"]["action"] == "passed"
    (listed,) = json_of(stack, "models", f"generator-{name}")["versions"]
    assert listed["stage"]["stage"] == "approval"
    (run,) = ask(
        stack, "flow_runs/filter", flow_runs={"name": {"any_": [f"generator-{name} version 1"]}},
        flows={"name": {"any_": ["release"]}},
    )  # fmt: skip
    assert run["state_type"] == "SCHEDULED"


def test_a_slow_challenger_is_refused_and_a_good_one_is_promoted_though_its_run_is_killed(
    canary_worker: tuple[Worker, Serving], stack: Settings, storage: Storage, tmp_path: Path
) -> None:
    running, serving_process = canary_worker
    model = f"generator-{CANARY_MODEL}"
    register_exported(stack, slow_export(tmp_path / "slow"), CANARY_MODEL)
    register(stack, tmp_path, CANARY_MODEL, 2)
    strict = CanaryConfig(
        percent=40, minutes=0.4, longest_minutes=30, min_requests=40, latency_factor=1.2, quantile=0.5
    )
    lenient = strict.model_copy(update={"latency_factor": 10.0})  # other tests run beside this one
    with asking(serving_process, model):
        slow = released((model, 2), ReleasePlan(canary=strict), "canaries", stack, storage)
        assert wait_for_end(stack, slow)["state_name"] == "Refused"
        refused = story(model, stack, storage)[-1]
        assert (refused.action, refused.to_version) == ("refused", 2)
        assert "slower than the 1.2 times that are allowed" in refused.reason
        assert refused.figures is not None
        assert refused.figures.challenger.requests > 0
        wait_for(lambda: serving_process.ready()["models"][0]["canary_percent"] == 0, 60)  # type: ignore[index]

        good = released((model, 3), ReleasePlan(canary=lenient, watch_minutes=0.05), "canaries", stack, storage)
        wait_for(lambda: serving_process.ready()["models"][0]["canary_percent"] == 40, PATIENCE)  # type: ignore[index]
        assert {draws(serving_process, model, **{"X-WGAN-Client": "ada"}) for _ in range(10)} in ({"1"}, {"3"})
        for process in running.runs():
            process.kill()  # in the middle of the canary; the worker starts it again
        ended = wait_for_end(stack, good)
        assert (ended["state_name"], ended["run_count"]) == ("Completed", 2)
    actions = [(entry.action, entry.to_version) for entry in story(model, stack, storage)]
    assert actions == [
        ("promoted", 1), ("passed", 2), ("canary", 2), ("refused", 2), ("passed", 3), ("canary", 3), ("promoted", 3),
        ("kept", 3),
    ]  # fmt: skip
    assert "The canary was good. 0 of" in story(model, stack, storage)[-2].reason
    assert not list(storage.list(f"releases/{model}/"))
    serving_process.wait_for_version(3)


def test_a_version_waits_without_a_worker_until_somebody_decides(
    running_worker: Worker, registered: list[ModelVersionRef], stack: Settings, storage: Storage
) -> None:
    model = registered[0].model_name
    first = released(registered[1], APPROVED, POOL, stack, storage)
    wait_for_suspension(stack, first)
    wait_for(lambda: not running_worker.runs(), PATIENCE)  # no process is held
    (listed,) = [one for one in json_of(stack, "models", model)["versions"] if one["version"] == 2]
    assert (listed["aliases"], listed["stage"]["stage"]) == (["challenger"], "approval")

    # A newer version passes the gate: it replaces the one that waits, whose run ends.
    second = released(registered[2], APPROVED, POOL, stack, storage)
    with PrefectServer(stack) as server:
        wake_releases(server, model, but=3)
    ended = wait_for_end(stack, first)
    assert (ended["state_name"], ended["state"]["message"].split(":")[0]) == ("Refused", "Withdrawn")

    # The form on Prefect's page: what is decided, with both grids, and typed fields.
    wait_for_suspension(stack, second)
    keys = flow_run(stack, second)["state"]["state_details"]["run_input_keyset"]
    schema = read(stack, f"flow_runs/{second}/input/{keys['schema']}")
    assert set(schema["required"]) == {"decision", "name", "reason"}
    assert schema["properties"]["decision"]["enum"] == ["approve", "refuse"]
    question = read(stack, f"flow_runs/{second}/input/{keys['description']}")
    assert f"**{model} version 3** passed the gate; the champion is version 1." in question
    assert answered_on_the_page(stack, second, decision="maybe", name="ada", reason="?")["status"] == "REJECT"
    answered_on_the_page(stack, second, decision="approve", name="ada", reason="both grids look right")
    ended = wait_for_end(stack, second)
    assert ended["state_name"] == "Completed"
    entries = story(model, stack, storage)
    assert [(entry.action, entry.to_version) for entry in entries] == [
        ("promoted", 1), ("passed", 2), ("withdrawn", 2), ("passed", 3), ("approved", 3), ("promoted", 3)
    ]  # fmt: skip
    assert (entries[4].actor, entries[4].reason) == ("ada", "both grids look right")
    assert model_aliases(model, stack) == {"champion": 3, "previous": 1}


def test_a_version_is_approved_and_another_refused_from_the_command_line(
    running_worker: Worker, registered: list[ModelVersionRef], stack: Settings, storage: Storage
) -> None:
    model, champion = registered[0].model_name, model_aliases(registered[0].model_name, stack)["champion"]
    refused = released(registered[1], APPROVED, POOL, stack, storage)
    wait_for_suspension(stack, refused)
    entry = json_of(stack, "refuse", model, "2", "--reason", "it draws a watermark")
    assert (entry["action"], entry["reason"]) == ("refused", "it draws a watermark")
    assert wait_for_end(stack, refused)["state_name"] == "Refused"
    assert model_aliases(model, stack)["champion"] == champion

    # Approved before a worker has taken the run: it does not wait at all.
    approved = released(registered[1], APPROVED, POOL, stack, storage)
    json_of(stack, "approve", model, "2", "--reason", "the watermark is gone")
    assert wait_for_end(stack, approved)["state_name"] == "Completed"
    assert model_aliases(model, stack)["champion"] == 2


def test_a_wait_ends_as_refused_at_its_time_limit(
    running_worker: Worker, registered: list[ModelVersionRef], stack: Settings, storage: Storage
) -> None:
    model = registered[0].model_name
    version = next(one for one in registered if one.version not in model_aliases(model, stack).values())
    expired = released(version, ReleasePlan(approval=True, approval_hours=20 / 3600), POOL, stack, storage)
    ended = wait_for_end(stack, expired)
    assert ended["state_name"] == "Refused"
    assert "Nobody approved it within" in ended["state"]["message"]
