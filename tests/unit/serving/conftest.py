"""What serving's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.unit.serving.example_service import example_client, write_version
from wgan.serving.service import Service


@pytest.fixture(scope="session")
def served_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with version 1 as the last good champion; not to be changed."""
    cache = tmp_path_factory.mktemp("served")
    write_version(cache, 1, 1)
    return cache


@pytest.fixture(scope="module")
def running(served_cache: Path) -> Iterator[tuple[TestClient, Service]]:
    with example_client(served_cache) as pair:
        yield pair


@pytest.fixture
def api(running: tuple[TestClient, Service]) -> TestClient:
    """A client of an application that serves version 1 with default settings."""
    return running[0]
