"""Fixtures of serving's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.unit.serving.example_service import example_client
from wgan.serving.service import Service


@pytest.fixture(scope="module")
def running(served_cache: Path) -> Iterator[tuple[TestClient, Service]]:
    with example_client(served_cache) as pair:
        yield pair


@pytest.fixture
def api(running: tuple[TestClient, Service]) -> TestClient:
    """A client of an application that serves version 1 with default settings."""
    return running[0]
