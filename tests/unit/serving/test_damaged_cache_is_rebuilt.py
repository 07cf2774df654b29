"""The cache of versions is only a cache: unreadable files are moved aside, failed writes are reported."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.serving.example_service import MODEL, example_client, write_version
from wgan.errors import WganError
from wgan.serving.loading import Verified
from wgan.serving.model_cache import ModelCache, model_cache
from wgan.serving.registry import RegistryVersion


def a_version(number: int = 1) -> RegistryVersion:
    return RegistryVersion(MODEL, number, f"models:/m-{number}", datetime.now(UTC), {})


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    """A cache with the folder of version 1, which holds no files, as the last good champion."""
    found = model_cache(tmp_path, MODEL)
    with found.staging() as temporary:
        (temporary / "files").mkdir()
        verified = Verified(onnx_sha256="0" * 64, batch_sizes=(1,), max_batch=1, machine="m")
        found.install(a_version(), temporary / "files", verified)
    found.set_last_good("champion", a_version())
    return found


def aside(cache: ModelCache) -> list[Path]:
    return list(cache.folder.glob(".damaged-*"))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"folder": 3}', b"\xff\xfe", b"[" * 100_000])
def test_an_unreadable_pointer_is_moved_aside(cache: ModelCache, content: bytes) -> None:
    pointer = cache.folder / "champion.json"
    pointer.write_bytes(content)
    assert cache.last_good("champion") is None
    assert len(aside(cache)) == 1
    assert not pointer.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"model": 1, "created": "yesterday"}'])
def test_an_unreadable_version_is_moved_aside(cache: ModelCache, content: bytes) -> None:
    (cache.files(a_version()).folder / "version.json").write_bytes(content)
    assert cache.last_good("champion") is None
    assert len(aside(cache)) == 1


def test_a_stray_file_beside_the_pointers_is_ignored(cache: ModelCache) -> None:
    (cache.folder / "stray.json").write_bytes(b"\xff")
    (cache.folder / "folder.json").mkdir()
    cache.set_last_good("champion", a_version())
    assert cache.last_good("champion") is not None


def test_a_cache_that_cannot_be_written_is_reported(cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wgan.serving.model_cache.tempfile.mkstemp", full)
    with pytest.raises(
        WganError, match=r"the cache folder cannot be written \(No space left on device\): free some space"
    ):
        cache.set_last_good("champion", a_version())


def test_leftovers_of_a_killed_process_are_removed_after_a_day(cache: ModelCache) -> None:
    import os
    import time

    old, new = cache.folder / ".download-old", cache.folder / ".download-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (time.time() - 90_000,) * 2)
    cache.set_last_good("champion", a_version())
    assert (old.exists(), new.exists()) == (False, True)


def test_a_version_verified_on_another_machine_is_verified_again(tmp_path: Path) -> None:
    folder = write_version(tmp_path, 1, 1)
    verified = folder / "verified.json"
    values = json.loads(verified.read_text())
    verified.write_text(json.dumps({**values, "machine": "another", "batch_sizes": [1, 3]}))
    with example_client(tmp_path) as (client, service):
        main = service.catalogue.require_default().follower.models.main
        assert main is not None
        assert main.engine.batch_sizes == tuple(values["batch_sizes"])
        assert client.post("/v1/images", json={"count": 4}).status_code == 200
    assert json.loads(verified.read_text()) == values
