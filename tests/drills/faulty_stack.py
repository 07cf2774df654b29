"""Servers that every client, including MLflow's artifact proxy, reaches through relays; and `wgan` run against them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import idle_settings
from tests.drills.faulty_s3 import FaultyS3
from tests.drills.relay import Relay
from tests.integration.stack_commands import run as run_wgan
from tests.integration.stack_commands import start as start_wgan
from tests.integration.stack_commands import wait_for
from wgan.settings import Settings
from wgan.stack.credentials import connected, ensure_credentials
from wgan.stack.processes import is_healthy, launch, stop
from wgan.stack.servers import mlflow_server, prefect_server, s3_server
from wgan.storage import Storage, open_storage
from wgan.storage.checkpoints import StoredCheckpoint, checkpoint_prefix, latest_checkpoints


@dataclass(frozen=True)
class FaultyStack:
    """A running stack whose connections to the object store and MLflow can fail."""

    settings: Settings
    """Direct, for the tests."""
    storage: Storage
    s3: FaultyS3
    mlflow: Relay
    variables: dict[str, str]
    """Through the relays: for the commands."""

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start `wgan`, everything through the relays."""
        return start_wgan(self.settings, *arguments, **{**self.variables, **more})

    def run(self, *arguments: str, code: int | tuple[int, ...] = 0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `wgan` to its end, everything through the relays."""
        return run_wgan(self.settings, *arguments, code=code, **{**self.variables, **more})

    def json(self, *arguments: str, **more: str) -> Any:
        """Run `wgan … --json` to its end, everything through the relays."""
        return json.loads(self.run(*arguments, "--json", **more).stdout)

    def checkpoints(self, flow_run_id: str) -> list[StoredCheckpoint]:
        """The run's checkpoints, newest first; there must be no other objects than these and their list."""
        stored = list(latest_checkpoints(flow_run_id, self.settings, self.storage))
        keys = {entry.key for entry in self.storage.list(f"{checkpoint_prefix(flow_run_id, self.settings)}/")}
        named = {checkpoint.key for checkpoint in stored}
        assert keys - named == ({f"{checkpoint_prefix(flow_run_id, self.settings)}/latest.json"} if stored else set())
        assert named <= keys
        return stored


@contextmanager
def faulty_stack(stack: Settings, home: Path) -> Iterator[FaultyStack]:
    """Separate S3, MLflow and Prefect servers, without faults at first."""
    with idle_settings(stack, home) as planned:
        credentials = ensure_credentials(planned.home)
        faulty = FaultyS3(planned.s3_port)
        through = planned.model_copy(update={"s3_port": faulty.port})
        servers = (
            s3_server(planned, credentials),
            mlflow_server(through, credentials),
            prefect_server(planned, credentials),
        )
        running = [launch(server, planned.home) for server in servers]
        try:
            for one in running:
                wait_for(lambda one=one: is_healthy(one.server), 120)  # type: ignore[misc]
            relay = Relay(planned.mlflow_port)
            settings = connected(planned, credentials).model_copy(update={"serving_urls": ""})
            storage = open_storage(settings)
            storage.ensure_bucket()
            variables = {
                "WGAN_S3_ENDPOINT_URL": f"http://127.0.0.1:{faulty.port}",
                "WGAN_S3_ACCESS_KEY_ID": credentials.access_key_id,
                "WGAN_S3_SECRET_ACCESS_KEY": credentials.secret_access_key,
                "WGAN_MLFLOW_TRACKING_URI": f"http://127.0.0.1:{relay.port}",
                "WGAN_PREFECT_API_URL": f"http://127.0.0.1:{planned.prefect_port}/api",
                "WGAN_PREFECT_AUTH_STRING": credentials.prefect_login,
                "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
            }
            yield FaultyStack(settings, storage, faulty, relay, variables)
        finally:
            for one in running:
                stop(one)
            faulty.close()
