"""Champions that fail after their promotion, on real servers: the watch takes them back by itself, with the figures."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import free_ports
from tests.integration.released_versions import (
    draw_what_fails,
    failing_export,
    released,
    story,
)
from tests.integration.serving_process import Serving, give_another_sample, register, register_exported, serving
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import PATIENCE, task_runs, wait_for_end, worker
from tests.unit.registry.examples import example_decision
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.work_pool import ensure_work_pool
from wgan.records import LedgerEntry, ReleasePlan
from wgan.registry.aliases import model_aliases
from wgan.registry.promotion import promote
from wgan.settings import Settings
from wgan.storage import Storage

pytestmark = pytest.mark.slow(minutes=3)
POOL = "watched champions"
MOST_MINUTES = 30.0


@dataclass
class Scene:
    """Three models with a champion each, and the process that serves them."""

    settings: Settings
    storage: Storage
    serving: Serving
    models: tuple[str, str, str]
    replica_port: int
    """Where a second serving process is expected, too."""

    @property
    def urls(self) -> str:
        """WGAN_SERVING_URLS of the workers."""
        return f"{self.serving.client.base_url},http://127.0.0.1:{self.replica_port}"

    def worker_variables(self) -> dict[str, str]:
        return {"WGAN_WORK_POOL": POOL, "WGAN_SERVING_URLS": self.urls, "WGAN_SERVING_WAIT_SECONDS": "5"}

    def release(self, model: str, version: int, plan: ReleasePlan) -> str:
        return released((model, version), plan, POOL, self.settings, self.storage)

    def last(self, model: str) -> LedgerEntry:
        return story(model, self.settings, self.storage)[-1]

    def wait_for_step(self, run_id: str, step: str, start: int = 1) -> None:
        """Wait until that start of the run is in the step."""

        def is_there() -> bool:
            return any(
                (task["state_name"], task["flow_run_run_count"]) == ("Running", start) and task["name"].startswith(step)
                for task in task_runs(self.settings, run_id)
            )

        wait_for(is_there, PATIENCE)


@pytest.fixture(scope="module")
def scene(stack: Settings, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    storage.ensure_bucket()
    folder = tmp_path_factory.mktemp("releases")
    models = []
    for name in ("asked", "tried", "watched"):
        first = register(stack, folder, f"{name}-{uuid.uuid4().hex[:8]}", 1)
        promote(first, example_decision(True), stack, storage, expected_champion=None)
        models.append(first.model_name)
    with PrefectServer(stack) as server:
        ensure_work_pool(server, POOL)
    with serving(stack, tuple(models), folder) as process:
        process.wait_ready()
        yield Scene(stack, storage, process, (models[0], models[1], models[2]), free_ports(1)[0])


def test_a_champion_that_fails_a_request_goes_back_by_itself_with_the_figures(scene: Scene, tmp_path: Path) -> None:
    model = scene.models[0]
    before = model_aliases(model, scene.settings)["champion"]
    failing = register_exported(
        scene.settings, failing_export(tmp_path / "failing", 7), model.removeprefix("generator-")
    ).version
    with worker(scene.settings, tmp_path, **scene.worker_variables()):
        run_id = scene.release(model, failing, ReleasePlan(watch_minutes=MOST_MINUTES))
        scene.wait_for_step(run_id, "watch champion")
        assert draw_what_fails(scene.serving, model).status_code == 500
        ended = wait_for_end(scene.settings, run_id)
    assert ended["state_name"] == "Refused"
    taken_back = scene.last(model)
    assert (taken_back.action, taken_back.from_version, taken_back.to_version) == ("rolled-back", failing, before)
    assert taken_back.actor == "watch"
    assert re.search(r": 1 of \d requests failed\.$", taken_back.reason)
    assert model_aliases(model, scene.settings)["champion"] == before
    wait_for(lambda: draw_what_fails(scene.serving, model).status_code == 200, 60)


def test_a_champion_that_a_replica_cannot_take_into_service_goes_back_by_itself(scene: Scene, tmp_path: Path) -> None:
    model = scene.models[0]
    before = model_aliases(model, scene.settings)["champion"]
    damaged = register(scene.settings, tmp_path, model.removeprefix("generator-"), 9).version
    with worker(scene.settings, tmp_path, **scene.worker_variables()):
        run_id = scene.release(model, damaged, ReleasePlan(watch_minutes=MOST_MINUTES))
        scene.wait_for_step(run_id, "watch champion")
        give_another_sample(scene.settings, model, damaged)
        with serving(scene.settings, model, tmp_path, "--port", str(scene.replica_port)):  # without a cache
            ended = wait_for_end(scene.settings, run_id)
    assert ended["state_name"] == "Refused"
    taken_back = scene.last(model)
    assert (taken_back.action, taken_back.to_version, taken_back.actor) == ("rolled-back", before, "watch")
    assert f"http://127.0.0.1:{scene.replica_port} could not take it into service" in taken_back.reason
    assert model_aliases(model, scene.settings)["champion"] == before
