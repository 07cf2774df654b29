"""Housekeeping of this machine's cache: files not read for a while, and leftovers of killed processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.states import Completed, Crashed

from tests.integration.housekeeping_scene import Scene, new_scene
from wgan.data.cache import cache_folder
from wgan.data.dataset import open_dataset
from wgan.data.workspace import LOCK_NAME, workspace
from wgan.housekeeping.caches import ASIDE, expire_cached_datasets, expire_downloads
from wgan.housekeeping.local_training import expire_local_training, remove_abandoned_scratch
from wgan.serving.model_cache import model_cache
from wgan.settings import Settings

DAY = 86_400


@pytest.fixture
def scene(stack: Settings, tmp_path: Path) -> Iterator[Scene]:
    made = new_scene(stack, tmp_path)
    yield made
    made.forget_flow_runs()


def unread_for(path: Path, days: float) -> None:
    """Make a file or folder, and all below it, as old as if untouched for so many days."""
    moment = time.time() - days * DAY
    for entry in [*path.rglob("*"), path]:
        os.utime(entry, (moment, moment))


def test_a_local_data_set_is_removed_when_unread_for_thirty_days_and_fetched_again_from_s3(scene: Scene) -> None:
    data = scene.dataset("copied")
    folder = cache_folder(scene.settings, data.name, data.digest)
    unread_for(folder, 29.9)
    assert expire_cached_datasets(scene.survey(days=0)).kept == {"used within 30 days": 1}
    unread_for(folder, 30.1)
    report = expire_cached_datasets(scene.survey(days=0))
    assert (report.names, report.removed_files) == ((str(folder),), 2)
    assert list(folder.parent.iterdir()) == []
    assert open_dataset(data, scene.settings, scene.storage).count == data.count


def test_reading_one_file_of_a_local_data_set_keeps_all_of_it(scene: Scene) -> None:
    data = scene.dataset("copied")
    folder = cache_folder(scene.settings, data.name, data.digest)
    unread_for(folder, 100)
    shard = folder / "images-00000.npy"
    os.utime(shard, (time.time(), shard.stat().st_mtime))  # as reading does where reads are noted
    assert expire_cached_datasets(scene.survey(days=0)).kept == {"used within 30 days": 1}


def test_a_local_data_set_stays_during_a_retraining(scene: Scene) -> None:
    data = scene.dataset("copied")
    folder = cache_folder(scene.settings, data.name, data.digest)
    unread_for(folder, 100)
    scene.flow_run()
    assert expire_cached_datasets(scene.survey(days=0)).kept == {"a retrain run is in progress": 1}
    assert (folder / "images-00000.npy").exists()


def test_what_a_killed_sweep_renamed_is_removed_by_the_next(scene: Scene) -> None:
    folder = scene.settings.cache / "datasets" / "copied" / f"{ASIDE}{'0' * 64}"
    folder.mkdir(parents=True)
    (folder / "images-00000.npy").write_bytes(b"123")
    unread_for(folder, 31)
    assert expire_cached_datasets(scene.survey(days=0)).removed_bytes == 3
    assert not folder.exists()


def test_downloads_are_removed_when_unread_for_thirty_days_with_their_validators(scene: Scene) -> None:
    downloads = scene.settings.cache / "downloads"
    published, at_url = downloads / "mnist" / "train.gz", downloads / "urls" / "0f" / "faces.zip"
    for path in (published, at_url, at_url.with_name(".validators.json")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    unread_for(downloads, 31)
    published.read_bytes()
    os.utime(published, (time.time(), published.stat().st_mtime))
    report = expire_downloads(scene.survey(days=0))
    assert (report.names, report.removed_files, report.removed_bytes) == ((str(at_url),), 2, 10)
    assert report.kept == {"used within 30 days": 1}
    assert published.exists()
    assert not at_url.with_name(".validators.json").exists()


def test_training_folders_are_removed_when_their_runs_checkpoints_may_be(scene: Scene) -> None:
    finished, crashed, unknown = scene.flow_run(Completed()), scene.flow_run(Crashed()), str(uuid4())
    training = scene.settings.cache / "training"
    for name in (finished, crashed, unknown, "notes"):
        (training / name).mkdir(parents=True)
        (training / name / "step-00000001.pt").write_bytes(b"1234")
    assert expire_local_training(scene.survey(days=6.9)).removed == 0
    report = expire_local_training(scene.survey(days=7.1))
    assert set(report.names) == {str(training / finished), str(training / unknown)}
    assert report.kept == {"the run may continue (crashed)": 1, "not part of a flow run": 1}
    assert {folder.name for folder in training.iterdir()} == {crashed, "notes"}


def test_a_scratch_folder_is_removed_when_its_preparation_has_died(scene: Scene) -> None:
    root = scene.settings.cache / "preparing"
    abandoned = root / "tmpdead"
    (abandoned / "contents").mkdir(parents=True)
    (abandoned / "contents" / "images-00000.npy").write_bytes(b"1234567")
    with ExitStack() as held:
        alive = held.enter_context(workspace(scene.settings))  # which removes those that have a free lock itself
        (abandoned / LOCK_NAME).touch()
        dry = remove_abandoned_scratch(scene.survey(days=0, dry_run=True))
        assert abandoned.exists()
        report = remove_abandoned_scratch(scene.survey(days=0))
        assert alive.exists()
    assert dry == report
    assert (report.names, report.removed_bytes) == ((str(abandoned),), 7)
    assert report.kept == {"a preparation is using it": 1}
    assert not abandoned.exists()


def test_servings_cache_is_never_touched(scene: Scene) -> None:
    served = model_cache(scene.settings.cache, "generator-digits").folder / "version-1-abc" / "generator.onnx"
    served.parent.mkdir(parents=True)
    served.write_bytes(b"onnx")
    unread_for(scene.settings.cache, 1000)
    later = scene.survey(days=1000)
    for rule in (expire_cached_datasets, expire_downloads, expire_local_training, remove_abandoned_scratch):
        assert rule(later).removed == 0
    assert served.exists()
