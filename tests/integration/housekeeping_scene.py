"""A test's own bucket, cache and flow runs on the session's servers, seen from any day."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flows import Flow
from prefect.states import Pending, Running

from tasks.housekeeping import read_flow_runs
from tests.integration.untrained_versions import digits_config
from wgan.data.prepare import prepare_dataset
from wgan.housekeeping.references import FlowRun
from wgan.housekeeping.survey import Survey, survey
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.storage import Storage, open_storage


@flow(name="retrain")
def _retrain(config: dict[str, object]) -> None:
    """Stands in for the flow of that name: only its runs' states matter here."""


@flow(name="another")
def _another() -> None:
    """A flow that reads no data."""


@dataclass
class Scene:
    """Everything here belongs to the test, except MLflow, which housekeeping only reads."""

    settings: Settings
    storage: Storage
    flow_run_ids: set[str] = field(default_factory=set)

    def survey(self, days: float, *, dry_run: bool = False) -> Survey:
        """What housekeeping sees so many days from now."""
        now = self.storage.clock() + timedelta(days=days)
        return survey(self.settings, self.storage, self.read_flow_runs, dry_run=dry_run, now=now)

    def read_flow_runs(self, flow_run_ids: Collection[str]) -> tuple[FlowRun, ...]:
        """Prefect's answer without other tests' runs."""
        return tuple(run for run in read_flow_runs(flow_run_ids) if run.id in self.flow_run_ids)

    def flow_run(self, *states: State, data_name: str = "elsewhere", reads_data: bool = True) -> str:
        """A flow run that was running and then entered these states."""
        config = {"data": {"source": "digits", "name": data_name}}
        kind: Flow[..., None] = _retrain if reads_data else _another
        with get_client(sync_client=True) as client:
            run = client.create_flow_run(kind, parameters={"config": config} if reads_data else {}, state=Pending())
            for state in (Running(), *states):
                client.set_flow_run_state(run.id, state, force=True)
        self.flow_run_ids.add(str(run.id))
        return str(run.id)

    def forget_flow_runs(self) -> None:
        """Delete the test's flow runs."""
        with get_client(sync_client=True) as client:
            for flow_run_id in self.flow_run_ids:
                client.delete_flow_run(UUID(flow_run_id))
        self.flow_run_ids.clear()

    def checkpoint(self, flow_run_id: str) -> None:
        """Two objects with the names that a training writes; their content does not matter."""
        self.storage.put_bytes(f"checkpoints/{flow_run_id}/step-00000001.pt", b"12345678")
        self.storage.put_bytes(f"checkpoints/{flow_run_id}/latest.json", b"{}")

    def dataset(self, name: str, count: int = 64) -> DatasetRef:
        """Real digits, prepared."""
        return prepare_dataset(digits_config(name, max_images=count).data, self.settings, self.storage)

    def keys(self, prefix: str) -> set[str]:
        """Of all objects below the prefix."""
        return {entry.key for entry in self.storage.list(prefix)}

    def runs_with_checkpoints(self) -> set[str]:
        """Flow runs that have some."""
        return {key.split("/")[1] for key in self.keys("checkpoints/")}


def new_scene(stack: Settings, folder: Path) -> Scene:
    """In a new bucket of the stack, with a cache in the folder."""
    own = {"bucket": f"housekeeping-{secrets.token_hex(4)}", "cache_dir": folder / "cache", "prepare_workers": 1}
    settings = stack.model_copy(update=own)
    storage = open_storage(settings)
    storage.ensure_bucket()
    return Scene(settings, storage)
