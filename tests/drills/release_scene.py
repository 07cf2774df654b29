"""Models on real servers whose versions are released: what the drills of releases share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import free_ports
from tests.integration.released_versions import released, steps, story
from tests.integration.serving_process import Serving, register, serving
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import PATIENCE, task_runs
from tests.unit.registry.examples import example_decision
from wgan.canary.observation import Observation
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.work_pool import ensure_work_pool
from wgan.records import LedgerEntry, ReleasePlan
from wgan.registry.promotion import promote
from wgan.settings import Settings
from wgan.storage import Storage


@dataclass
class ReleaseScene:
    """Three models with a champion each, the process that serves them, and the pool of their releases' workers."""

    pool: str
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
        return {"WGAN_WORK_POOL": self.pool, "WGAN_SERVING_URLS": self.urls, "WGAN_SERVING_WAIT_SECONDS": "5"}

    def release(self, model: str, version: int, plan: ReleasePlan) -> str:
        return released((model, version), plan, self.pool, self.settings, self.storage)

    def steps(self, model: str) -> list[tuple[str, int]]:
        return steps(model, self.settings, self.storage)

    def last(self, model: str) -> LedgerEntry:
        return story(model, self.settings, self.storage)[-1]

    def counted(self, model: str) -> int:
        """Requests of both versions that the watching run has kept in the bucket."""
        for entry in self.storage.list(f"{self.settings.releases_prefix}/{model}/"):
            seen = Observation.model_validate_json(self.storage.get_bytes(entry.key))
            return sum(counters.attempts for counters in seen.sums.values())
        return 0

    def wait_for_step(self, run_id: str, step: str, start: int = 1) -> None:
        """Wait until that start of the run is in the step."""

        def is_there() -> bool:
            return any(
                (task["state_name"], task["flow_run_run_count"]) == ("Running", start) and task["name"].startswith(step)
                for task in task_runs(self.settings, run_id)
            )

        wait_for(is_there, PATIENCE)


@contextmanager
def release_scene(pool: str, stack: Settings, storage: Storage, folder: Path) -> Iterator[ReleaseScene]:
    """The scene, on the session's stack, while its process serves."""
    storage.ensure_bucket()
    models = []
    for name in ("asked", "tried", "watched"):
        first = register(stack, folder, f"{name}-{uuid.uuid4().hex[:8]}", 1)
        promote(first, example_decision(True), stack, storage, expected_champion=None)
        models.append(first.model_name)
    with PrefectServer(stack) as server:
        ensure_work_pool(server, pool)
    with serving(stack, tuple(models), folder) as process:
        process.wait_ready()
        yield ReleaseScene(pool, stack, storage, process, (models[0], models[1], models[2]), free_ports(1)[0])
