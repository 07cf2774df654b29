"""Parquet files and tar shards are prepared from a folder and from a bucket, holding only a few images in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.data_object_store import ObjectStore, recorded_requests
from tests.unit.data.shard_writer import hugging_face_file, picture, shard
from wgan.config import DataConfig
from wgan.data.dataset import open_dataset
from wgan.data.prepare import prepare_dataset
from wgan.errors import DataError
from wgan.settings import Settings
from wgan.storage import Storage, open_storage

COUNT = 40


@pytest.fixture
def settings(store: ObjectStore, tmp_path: Path) -> Settings:
    return store.settings(tmp_path / "home")


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


def written(source: str, folder: Path) -> list[Path]:
    """Two files of flat pictures in two classes; the value of each is its number."""
    files = []
    for part in range(2):
        numbers = range(part * COUNT // 2, (part + 1) * COUNT // 2)
        name = f"train-{part:05}-of-00002"
        if source == "parquet":
            images = [{"bytes": picture(number), "path": f"{number}.png"} for number in numbers]
            classes = [number % 2 for number in numbers]
            files.append(hugging_face_file(folder / f"{name}.parquet", images, classes, ("even", "odd")))
        else:
            members = []
            for number in numbers:
                members += [(f"{number}.png", picture(number)), (f"{number}.cls", (b"even", b"odd")[number % 2])]
            files.append(shard(folder / f"{name}.tar", members))
    return files


@pytest.mark.parametrize("source", ["parquet", "webdataset"])
def test_shards_give_the_same_data_set_from_a_folder_and_from_a_bucket(
    source: str, settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    for path in written(source, tmp_path / "set"):
        storage.put_file(f"theirs/{path.name}", path)
    for location in (str(tmp_path / "set"), f"s3://{storage.bucket}/theirs"):
        config = DataConfig(source=source, location=location, name="numbers")
        opened = open_dataset(prepare_dataset(config, settings, storage), settings, storage)
        assert opened.gather(np.arange(COUNT))[:, 0, 0, 0].tolist() == list(range(COUNT))
        assert opened.ref.classes == ("even", "odd")
        assert opened.labels is not None
        assert opened.labels[:4].tolist() == [0, 1, 0, 1]

    requests = recorded_requests(storage)
    assert prepare_dataset(config, settings, storage) == opened.ref
    assert len(requests) == 3  # a listing, the manifest and its signature
    storage.put_bytes("theirs/train-00000-of-00002" + path.suffix, path.read_bytes())
    assert prepare_dataset(config, settings, storage).digest != opened.ref.digest


@pytest.mark.parametrize("source", ["parquet", "webdataset"])
def test_one_object_may_be_the_data_set_and_an_empty_prefix_is_refused(
    source: str, settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    path = written(source, tmp_path / "set")[1]
    storage.put_file(f"theirs/{path.name}", path)
    config = DataConfig(source=source, location=f"s3://{storage.bucket}/theirs/{path.name}", name="numbers")
    assert prepare_dataset(config, settings, storage).count == COUNT // 2
    nowhere = DataConfig(source=source, location=f"s3://{storage.bucket}/nowhere", name="numbers")
    with pytest.raises(DataError, match=rf"there are no .*{path.suffix}.* in s3://{storage.bucket}/nowhere\.$"):
        prepare_dataset(nowhere, settings, storage)


def test_images_that_do_not_decode_count_as_bad(settings: Settings, storage: Storage, tmp_path: Path) -> None:
    images = pa.array([picture(number) for number in range(20)] + [b"no image", None], pa.binary())
    pq.write_table(pa.table({"image": images}), tmp_path / "a.parquet")
    config = DataConfig(source="parquet", location=str(tmp_path / "a.parquet"), name="mixed", max_bad_fraction=0.1)
    ref = prepare_dataset(config, settings, storage)
    assert (ref.count, ref.bad_count) == (20, 2)
    with pytest.raises(
        DataError, match=r"2 of 22 files .*\(a\.parquet:20: not an image; a\.parquet:21: its row has no"
    ):
        prepare_dataset(config.model_copy(update={"max_bad_fraction": 0.0}), settings, storage)


MEASURE = """
import resource, sys
from pathlib import Path
from wgan.data.sources.parquet import parquet_source
from wgan.data.sources.webdataset import webdataset_source
from wgan.download.access import Access, RetryPolicy
from wgan.settings import Settings
from wgan.storage import open_storage

source, location = sys.argv[1:]
settings = Settings(_env_file=None, home=Path(location) / "home")
access = Access(settings, open_storage(settings), RetryPolicy(), lambda *_: None)
if source == "parquet":
    found = parquet_source(location, None, None, access)
else:
    found = webdataset_source(location, None, access)
opened = found.open(Path(location))
assert sum(len(image.content) for image in opened.images) == opened.count * 100_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.parametrize("source", ["parquet", "webdataset"])
def test_memory_stays_flat_as_the_shards_grow(source: str, tmp_path: Path) -> None:
    """Two thousand more images of 100 kB are 200 MB more, in one file and one row group; the process may grow by 40."""
    noise = np.random.default_rng(0).bytes(100_000)
    peaks = []
    for count in (200, 2200):
        folder = tmp_path / str(count)
        folder.mkdir()
        if source == "parquet":
            images = pa.chunked_array([pa.array([noise] * 200)] * (count // 200))
            pq.write_table(
                pa.table({"image": images}), folder / "a.parquet", row_group_size=count, use_dictionary=False
            )
        else:
            shard(folder / "a.tar", ((f"{number}.png", noise) for number in range(count)))
        result = subprocess.run([sys.executable, "-c", MEASURE, source, str(folder)], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        peaks.append(int(result.stdout))
    assert peaks[1] - peaks[0] < 40e6, json.dumps(peaks)
