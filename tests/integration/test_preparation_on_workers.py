"""With WGAN_RAY_ADDRESS, the workers of a cluster of real nodes prepare a data set: the bytes of one machine."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.integration.data_object_store import ObjectStore
from tests.integration.ray_nodes import LOOPBACK, ray_nodes, workers_of
from wgan.config import DataConfig
from wgan.data import decode_on_workers, shards
from wgan.data.prepare import prepare_dataset
from wgan.errors import WganError
from wgan.settings import Settings
from wgan.storage import open_storage

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytestmark = pytest.mark.slow(minutes=2)

COUNT = 300
DAMAGED = (3, 40, 41, 250)
Contents = dict[str, bytes]


def picture(number: int) -> bytes:
    """A file: a PNG, every tenth one a TIFF of floats without a declared range; some are damaged."""
    if number in DAMAGED:
        return b"\x89PNG\r\n\x1a\nand nothing else"
    file = io.BytesIO()
    if number % 10 == 0:
        values = np.full((20, 30), number, dtype=np.float32) + np.arange(30, dtype=np.float32)
        Image.fromarray(values).save(file, "TIFF")
    else:
        Image.new("L", (20, 30), number % 256).save(file, "PNG")
    return file.getvalue()


def name_of(number: int) -> str:
    return f"{'even' if number % 2 == 0 else 'odd'}/{number:03}.{'tif' if number % 10 == 0 else 'png'}"


@pytest.fixture(scope="module", autouse=True)
def small_shards_and_ranges() -> Iterator[None]:
    """Seven shards, and about twenty ranges."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_BYTES", 48 * 16 * 16)
        patch.setattr(decode_on_workers, "FILES", 16)
        yield


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_nodes(1, 1) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def settings(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return store.settings(tmp_path_factory.mktemp("home"), ray_wait_seconds=60)


@pytest.fixture(scope="module")
def in_s3(settings: Settings) -> DataConfig:
    """The pictures below an S3 prefix."""
    storage = open_storage(settings)
    for number in range(COUNT):
        storage.put_bytes(f"pictures/{name_of(number)}", picture(number))
    return of("s3", f"s3://{settings.bucket}/pictures")


@pytest.fixture(scope="module")
def expected(in_s3: DataConfig, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """What one machine writes."""
    return prepared(in_s3, settings, tmp_path_factory.mktemp("one"))


def of(source: str, location: str) -> DataConfig:
    return DataConfig(
        source=source, location=location, name="pictures", image_size=16, channels=1, max_bad_fraction=0.1
    )


def prepared(config: DataConfig, settings: Settings, home: Path, cluster: Any = None, **more: Any) -> Contents:
    """Everything that a preparation writes, on one machine or on the cluster; it is removed from the bucket again."""
    place = {"home": home, "ray_address": cluster.address if cluster else ""}
    storage = open_storage(settings)
    prepare_dataset(config, settings.model_copy(update=place), storage, **more)
    return taken_from(settings)


def taken_from(settings: Settings) -> Contents:
    storage = open_storage(settings)
    contents = {entry.key: storage.get_bytes(entry.key) for entry in storage.list("datasets/")}
    storage.delete_all(list(contents))
    assert not storage.list_uploads("datasets/")
    return contents


def once(action: Callable[[], object]) -> Callable[[str, int, int | None], None]:
    """A listener to the progress that acts once, when the first range is decoded and others are in progress."""
    done = []

    def progress(phase: str, position: int, total: int | None) -> None:
        if phase == "decode" and not done:
            done.append(True)
            action()

    return progress


def test_the_objects_are_those_of_one_machine_to_the_byte(
    in_s3: DataConfig, expected: Contents, settings: Settings, cluster: Any, tmp_path: Path
) -> None:
    assert [key.rsplit("/", 1)[1] for key in expected] == [
        "held-out.npy",
        *(f"images-{number:05}.npy" for number in range(7)),
        "labels.npy",
        "manifest.json",
        "origins.csv",
    ]
    assert prepared(in_s3, settings, tmp_path / "many", cluster) == expected


def test_files_of_this_machine_only_are_sent_to_the_workers(settings: Settings, cluster: Any, tmp_path: Path) -> None:
    for number in range(60):
        path = tmp_path / "pictures" / name_of(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    (tmp_path / "pictures" / "even" / "empty.png").touch()
    config = of("folder", str(tmp_path / "pictures"))
    expected = prepared(config, settings, tmp_path / "one")
    assert prepared(config, settings, tmp_path / "many", cluster) == expected


def test_a_lost_worker_and_a_lost_node_are_made_up_for(
    in_s3: DataConfig, expected: Contents, settings: Settings, cluster: Any, tmp_path: Path
) -> None:
    killed = []

    def kill_the_workers() -> None:
        for process in workers_of(cluster):
            process.kill()
            killed.append(process)

    assert prepared(in_s3, settings, tmp_path / "killed", cluster, progress=once(kill_the_workers)) == expected
    assert len(killed) >= 2

    node = cluster.add_node(num_cpus=2, **LOOPBACK)
    lose_it = once(lambda: cluster.remove_node(node, allow_graceful=False))
    assert prepared(in_s3, settings, tmp_path / "lost", cluster, progress=lose_it) == expected


def test_an_interrupted_preparation_leaves_whole_shards_and_no_manifest(
    in_s3: DataConfig, expected: Contents, settings: Settings, cluster: Any, tmp_path: Path
) -> None:

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepared(in_s3, settings, tmp_path / "interrupted", cluster, progress=once(interrupt))
    left = taken_from(settings)
    assert left.items() <= expected.items()
    assert not any(key.endswith("manifest.json") for key in left)


def test_a_cluster_without_processors_is_waited_for_then_reported(
    in_s3: DataConfig, settings: Settings, tmp_path: Path
) -> None:
    impatient = settings.model_copy(update={"ray_wait_seconds": 1.0})
    with (
        ray_nodes() as nodes,
        pytest.raises(WganError, match=r"Ray has room for 0 of 1 workers .* within 1 s \(WGAN_RAY_WAIT_SECONDS\)"),
    ):
        prepared(in_s3, impatient, tmp_path / "home", nodes)
