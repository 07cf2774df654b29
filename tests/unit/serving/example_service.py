"""A generator on a disk as the last good champion, and an application that serves it while the registry is away."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tests.unit.registry.examples import example_config, example_evaluation, example_generator
from wgan.model_version.record import VersionRecord
from wgan.serving.app import create_app
from wgan.serving.model_cache import model_cache
from wgan.serving.registry import RegistryVersion
from wgan.serving.service import Service, make_service
from wgan.settings import Settings
from wgan.steps.export import write_export

MODEL = "generator-examples"
NOBODY = "http://127.0.0.1:1"


def write_version(cache: Path, version: int, seed: int, alias: str = "champion") -> Path:
    """Put a generator of its own weights on the disk as the last good version under the alias; its folder."""
    disk = model_cache(cache, MODEL)
    entry = RegistryVersion(MODEL, version, f"models:/m-{seed}", datetime.now(UTC), {"code_version": "0.1.0"})
    with disk.staging() as temporary:
        exported = write_export(example_generator(seed), temporary / "export")
        files = temporary / "files"
        files.mkdir()
        shutil.copy(exported.onnx, files / "generator.onnx")
        shutil.copy(exported.config, files / "config.json")
        shutil.copy(exported.sample, files / "sample.npy")
        record = VersionRecord(
            evaluation=example_evaluation(example_config()),
            model_name=MODEL,
            onnx_sha256=exported.onnx_sha256,
            export_check=exported.check,
        )
        (files / "record.json").write_text(record.model_dump_json())
        folder = disk.install(entry, files)
    disk.set_last_good(alias, entry)
    return folder


def example_settings(cache: Path, **values: Any) -> Settings:
    """Settings of a server whose registry is away."""
    return Settings(_env_file=None, cache_dir=cache, mlflow_tracking_uri=NOBODY, serve_threads=1, **values)


@contextmanager
def example_client(cache: Path, **values: Any) -> Iterator[tuple[TestClient, Service]]:
    """A client of the application, once it serves what is on the disk."""
    service = make_service(MODEL, "champion", example_settings(cache, **values))
    with TestClient(create_app(service)) as client:
        deadline = time.monotonic() + 60
        while service.follower.models.main is None:
            assert time.monotonic() < deadline, client.get("/readyz").text
            time.sleep(0.01)
        yield client, service
