"""Fixtures of the tests with real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.data_object_store import ObjectStore, nanio_server


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3 server; its `settings` name a new bucket each time."""
    with nanio_server(tmp_path_factory.mktemp("s3")) as server:
        yield server
