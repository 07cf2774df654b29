"""What the tests with real servers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.data_object_store import ObjectStore, nanio_server


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3 server; whoever asks it for settings gets a bucket of its own."""
    with nanio_server(tmp_path_factory.mktemp("s3")) as server:
        yield server
