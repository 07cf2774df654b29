"""A hundred promotions under load: nothing is lost, nothing is mixed."""

from __future__ import annotations

import time
import uuid
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.drills.serving_load import COUNTS, SEED, load
from tests.integration.serving_process import client_of, register, serving
from tests.integration.stack_commands import wait_for
from wgan.model_version.inference import open_generator
from wgan.registry.versions import fetch_version
from wgan.settings import Settings

SWAPS = 100
QUIET_SECONDS = 4.0


def test_a_hundred_promotions_under_load_lose_no_request_and_mix_no_versions(
    stack: Settings, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    name = f"swaps-{uuid.uuid4().hex[:8]}"
    model = f"generator-{name}"
    versions = [str(register(stack, tmp_path, name, seed).version) for seed in (1, 2, 3)]
    images = {
        version: open_generator(fetch_version(model, int(version), stack, tmp_path / version)).generate(
            SEED, max(COUNTS), batch_size=1
        )
        for version in versions
    }
    registry = client_of(stack)
    registry.set_registered_model_alias(model, "champion", versions[0])
    with serving(stack, model, tmp_path, WGAN_SERVE_POLL_SECONDS="0.05", WGAN_SERVE_THREADS="1") as server:
        server.wait_ready()
        with load(str(server.client.base_url), images) as clients:
            time.sleep(QUIET_SECONDS)
            before, reloads = len(clients.seconds), server.metric("wgan_reloads_total")
            for version in islice(cycle(versions[1:] + versions[:1]), SWAPS):
                registry.set_registered_model_alias(model, "champion", version)
                server.wait_for_version(int(version))
            after = len(clients.seconds)
        assert clients.wrong == []
        assert server.metric("wgan_reloads_total") - reloads == SWAPS
        assert min(clients.versions[version] for version in versions) > SWAPS
        wait_for(lambda: sum(event["event"] == "version drained" for event in server.events()) == SWAPS, 10)
    figures = {
        "requests": len(clients.seconds),
        "p99_without_ms": round(clients.percentile(99, 0, before), 1),
        "p99_during_ms": round(clients.percentile(99, before, after), 1),
        "p50_without_ms": round(clients.percentile(50, 0, before), 1),
        "p50_during_ms": round(clients.percentile(50, before, after), 1),
    }
    for key, value in figures.items():
        record_property(key, value)
    print(figures)
