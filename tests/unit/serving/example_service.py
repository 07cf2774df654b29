"""A generator in the cache as the last good champion, and an application that serves it while the registry is down."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from tests.unit.registry.examples import example_config, example_evaluation
from tests.unit.serving.example_graph import LATENT_DIM, write_graph
from wgan.file_digest import file_sha256
from wgan.latents import draw_latents
from wgan.model_version.inference import open_generator
from wgan.model_version.record import VersionRecord
from wgan.records import ExportCheck
from wgan.serving.app import create_app
from wgan.serving.loading import VersionFiles, verify
from wgan.serving.model_cache import model_cache
from wgan.serving.registry import RegistryVersion
from wgan.serving.service import Service, make_service
from wgan.settings import Settings

MODEL = "generator-examples"
SAMPLE_COUNT = 16
NOBODY = "http://127.0.0.1:1"


def write_files(folder: Path, seed: int, model: str = MODEL) -> Path:
    """The files of a version with its own weights, as serving fetches them; their folder."""
    files = folder / "files"
    files.mkdir(parents=True)
    graph = files / "generator.onnx"
    write_graph(graph, seed)
    sample = open_generator(graph).decode(draw_latents(0, SAMPLE_COUNT, LATENT_DIM))
    np.save(files / "sample.npy", sample, allow_pickle=False)
    (files / "config.json").write_text(json.dumps({"sample_seed": 0, "sample_count": SAMPLE_COUNT}))
    record = VersionRecord(
        evaluation=example_evaluation(example_config()),
        model_name=model,
        onnx_sha256=file_sha256(graph),
        export_check=ExportCheck(samples=64, max_abs_difference=0.0, tolerance=1e-3, opset=18),
    )
    (files / "record.json").write_text(record.model_dump_json())
    return files


def write_version(cache: Path, version: int, seed: int, alias: str = "champion", model: str = MODEL) -> Path:
    """Put a generator with its own weights into the cache as the last good version under the alias; its folder."""
    disk = model_cache(cache, model)
    entry = RegistryVersion(model, version, f"models:/m-{seed}", datetime.now(UTC), {"code_version": "0.1.0"})
    with disk.staging() as temporary:
        files = write_files(temporary, seed, model)
        verified = verify(VersionFiles(entry, files), example_settings(cache))
        folder = disk.install(entry, files, verified).folder
    disk.set_last_good(alias, entry)
    return folder


def example_settings(cache: Path, **values: Any) -> Settings:
    """Settings of a server whose registry is down, unless `values` name another."""
    values = {"cache_dir": cache, "mlflow_tracking_uri": NOBODY, "serve_threads": 1, **values}
    return Settings(_env_file=None, **values)


@contextmanager
def example_client(
    cache: Path, models: tuple[str, ...] = (MODEL,), **values: Any
) -> Iterator[tuple[TestClient, Service]]:
    """A client of the application, once it serves the cached version."""
    service = make_service(models, "champion", example_settings(cache, **values))
    with TestClient(create_app(service)) as client:
        deadline = time.monotonic() + 60
        while not service.catalogue.is_ready:
            assert time.monotonic() < deadline, client.get("/readyz").text
            time.sleep(0.01)
        yield client, service
