"""Versions to serve, cheaply registered, and `wgan serve` as a separate process."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from mlflow import MlflowClient

from tests.integration.stack_commands import environment, wait_for
from tests.unit.registry.examples import example_config, example_evaluation, example_generator
from wgan.records import ModelVersionRef
from wgan.registry.model_folder import ExportedGenerator
from wgan.registry.registration import register_generator
from wgan.settings import Settings
from wgan.steps.export import write_export
from wgan.storage import open_storage


def client_of(settings: Settings) -> MlflowClient:
    return MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)


def register(settings: Settings, folder: Path, name: str, generator_seed: int) -> ModelVersionRef:
    """Register a generator with its own weights as the next version of generator-<name>."""
    exported = write_export(example_generator(generator_seed), folder / f"export-{uuid.uuid4().hex[:8]}")
    return register_exported(settings, exported, name)


def register_exported(settings: Settings, exported: ExportedGenerator, name: str) -> ModelVersionRef:
    """Register an export as the next version of generator-<name>, as if from a separate training."""
    client = client_of(settings)
    found = client.get_experiment_by_name("serving tests")
    experiment = found.experiment_id if found else client.create_experiment("serving tests")
    config = example_config(name)
    evaluation = example_evaluation(config, client.create_run(experiment).info.run_id)
    return register_generator(evaluation, exported, config, settings)


def give_another_sample(settings: Settings, model: str, version: int) -> None:
    """Make the store claim that the version draws grey images, which it does not."""
    store, where = open_storage(settings), client_of(settings).get_model_version_download_uri(model, str(version))
    key = f"{settings.mlflow_prefix}/{where.removeprefix('mlflow-artifacts:/')}/extra_files/sample.npy"
    out = io.BytesIO()
    np.save(out, np.zeros_like(np.load(io.BytesIO(store.get_bytes(key)))))
    store.put_bytes(key, out.getvalue())


@dataclass
class Serving:
    """A running `wgan serve`."""

    process: subprocess.Popen[str]
    client: httpx.Client
    log: Path

    def ready(self) -> dict[str, object]:
        answer = self.client.get("/readyz")
        return dict(answer.json())

    def version(self) -> str:
        return str(self.client.get("/healthz").headers["x-wgan-version"])

    def wait_ready(self) -> None:
        wait_for(lambda: self.ready()["ready"], 60)

    def wait_for_version(self, version: int) -> None:
        wait_for(lambda: self.version() == str(version), 60)

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def metric(self, name: str) -> float:
        lines = [line for line in self.client.get("/metrics").text.splitlines() if line.startswith(name)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


@contextmanager
def serving(
    settings: Settings, models: str | tuple[str, ...], folder: Path, *options: str, **variables: str
) -> Iterator[Serving]:
    """`wgan serve MODEL…` on a free port, with a cache in the folder; SIGTERM must end it with exit code 0."""
    named = (models,) if isinstance(models, str) else models
    more = {"WGAN_CACHE_DIR": str(folder / "cache"), "WGAN_SERVE_POLL_SECONDS": "0.2", **variables}
    log = folder / f"serve-{uuid.uuid4().hex[:8]}.log"
    command = [sys.executable, "-m", "wgan", "serve", *named, "--port", "0", *options]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, env=environment(settings, **more), stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert " at http://" in line, log.read_text()
        with httpx.Client(base_url=line.split()[-1], timeout=60) as client:
            wait_for(lambda: _answers(client), 30)
            yield Serving(process, client, log)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
