"""Preparing data sets with a real S3 server: what is written, when it is reused, what identifies it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.integration.data_object_store import ObjectStore, recorded_requests
from wgan.config import DataConfig
from wgan.data import images
from wgan.data.dataset import open_dataset
from wgan.data.manifest import Manifest, list_datasets
from wgan.data.prepare import prepare_dataset
from wgan.errors import DataError
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.storage import Storage, open_storage, split_uri

DIGITS = DataConfig(source="digits")


@pytest.fixture
def settings(store: ObjectStore, tmp_path: Path) -> Settings:
    return store.settings(tmp_path / "home")


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty flat pictures in two class folders; the value of each is its number."""
    folder = tmp_path / "pictures"
    for number in range(40):
        path = folder / ("even" if number % 2 == 0 else "odd") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 30), number).save(path)
    return folder


def of_folder(folder: Path, **more: object) -> DataConfig:
    return DataConfig(source="folder", location=str(folder), name="pictures", **more)  # type: ignore[arg-type]


def manifest_of(ref: DatasetRef, storage: Storage) -> Manifest:
    return Manifest.model_validate_json(storage.get_bytes(split_uri(ref.uri)[1]))


def test_the_digits_are_shards_labels_and_a_manifest_under_their_digest(settings: Settings, storage: Storage) -> None:
    ref = prepare_dataset(DIGITS, settings, storage)
    keys = [entry.key for entry in storage.list("datasets/")]
    assert keys == [
        f"datasets/digits/{ref.digest}/{name}"
        for name in ("held-out.npy", "images-00000.npy", "labels.npy", "manifest.json")
    ]
    assert ref.count + ref.held_out_count == 1797
    assert (ref.image_size, ref.channels, ref.bad_count, len(ref.classes)) == (32, 1, 0, 10)
    prepared = open_dataset(ref, settings, storage)
    assert prepared.labels is not None
    assert np.array_equal(prepared.labels, load_digits().target[prepared.rows])


def test_a_tenth_of_the_images_is_held_out_and_none_is_on_both_sides(settings: Settings, storage: Storage) -> None:
    training = open_dataset(prepare_dataset(DIGITS, settings, storage), settings, storage)
    held_out = training.held_out
    assert held_out is not None
    assert (training.count, held_out.count) == (training.ref.count, training.ref.held_out_count)
    # Binomial: 1,797 images at 0.1 give 180 ± 51 (four standard deviations).
    assert abs(held_out.count - 179.7) < 51
    sides = [{image.tobytes() for image in side.gather(np.arange(side.count))} for side in (training, held_out)]
    assert sides[0].isdisjoint(sides[1])
    assert held_out.labels is not None
    assert np.array_equal(np.sort([*training.labels, *held_out.labels]), np.sort(load_digits().target))


def test_an_image_stays_on_its_side_when_others_are_added(settings: Settings, storage: Storage, tmp_path: Path) -> None:
    def sides(count: int) -> tuple[set[int], set[int]]:
        for number in range(count):
            Image.new("L", (8, 8), number).save(tmp_path / f"{number * 7919 % 256:03}.png")
        training = open_dataset(
            prepare_dataset(of_folder(tmp_path, held_out_fraction=0.3), settings, storage), settings, storage
        )
        assert training.held_out
        parts = (training, training.held_out)
        values = [set(part.gather(np.arange(part.count))[:, 0, 0, 0].tolist()) for part in parts]
        return values[0], values[1]

    before, after = sides(100), sides(200)
    assert before[0] < after[0]
    assert before[1] < after[1]


def test_nothing_is_held_out_if_disabled_or_if_too_little_would_be(
    settings: Settings, storage: Storage, pictures: Path
) -> None:
    for config in (DIGITS.model_copy(update={"held_out_fraction": 0.0}), of_folder(pictures)):
        ref = prepare_dataset(config, settings, storage)
        assert ref.held_out_count == 0
        assert open_dataset(ref, settings, storage).held_out is None


def test_holding_out_too_much_is_one_sentence(settings: Settings, storage: Storage, tmp_path: Path) -> None:
    for number in range(25):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number:02}.png")
    with pytest.raises(DataError, match=r"25 images that decode, of which data\.held_out_fraction=0\.5 leaves \d+; at"):
        prepare_dataset(of_folder(tmp_path, held_out_fraction=0.5), settings, storage)


def test_the_prepared_digits_average_to_the_originals(settings: Settings, storage: Storage) -> None:
    """Bicubic enlargement by 4 keeps the mean of the inner area; 4×4 block means come close to the 8×8 values."""
    prepared = open_dataset(prepare_dataset(DIGITS, settings, storage), settings, storage)
    blocks = prepared.gather(np.arange(prepared.count)).reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4))
    assert np.corrcoef(blocks.ravel(), load_digits().images[prepared.rows].ravel())[0, 1] > 0.99


def test_the_manifest_is_written_last(settings: Settings, storage: Storage) -> None:
    requests = recorded_requests(storage)
    ref = prepare_dataset(DIGITS, settings, storage)
    assert [request for request in requests if request.startswith("PUT")] == [
        f"PUT datasets/digits/{ref.digest}/{name}"
        for name in ("images-00000.npy", "labels.npy", "held-out.npy", "manifest.json")
    ]


def test_the_same_request_again_reads_the_manifest_and_verifying_it_lists_the_objects(
    settings: Settings, storage: Storage
) -> None:
    first = prepare_dataset(DIGITS, settings, storage)
    requests = recorded_requests(storage)
    assert prepare_dataset(DIGITS, settings, storage) == first
    manifest = f"GET datasets/digits/{first.digest}/manifest.json"
    read = {manifest, f"{manifest}.hmac"}
    assert set(requests) == read
    assert prepare_dataset(DIGITS, settings, storage, verify=True) == first
    listing = "GET "  # which objects there are
    assert set(requests) == {*read, listing}


def test_another_machine_reads_each_object_once(settings: Settings, storage: Storage, tmp_path: Path) -> None:
    ref = prepare_dataset(DIGITS, settings, storage)
    elsewhere = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    requests = recorded_requests(storage)
    opened = open_dataset(ref, elsewhere, storage)
    fetched = [request.rsplit("/", 1)[1] for request in requests if request.startswith("GET")]
    assert sorted(fetched) == ["held-out.npy", "images-00000.npy", "labels.npy", "manifest.json"]
    everything = np.arange(ref.count)
    assert np.array_equal(opened.gather(everything), open_dataset(ref, settings, storage).gather(everything))


def test_gather_gives_the_images_in_the_order_asked_for(
    settings: Settings, storage: Storage, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wgan.data.shards.SHARD_BYTES", 7 * 32 * 32)
    ref = prepare_dataset(of_folder(pictures), settings, storage)
    assert [shard.count for shard in manifest_of(ref, storage).shards] == [7, 7, 7, 7, 7, 5]
    opened = open_dataset(ref, settings, storage)
    order = [*range(0, 40, 2), *range(1, 40, 2)]  # even/… sorts before odd/…
    indices = np.array([39, 0, 7, 6, 6, 20])
    assert opened.gather(indices)[:, 0, 16, 16].tolist() == [order[index] for index in indices]
    assert opened.gather(indices).shape == (6, 1, 32, 32)
    for outside in (-1, 40):
        with pytest.raises(IndexError):
            opened.gather(np.array([outside]))


def test_sub_folders_become_labels(settings: Settings, storage: Storage, pictures: Path) -> None:
    ref = prepare_dataset(of_folder(pictures), settings, storage)
    assert ref.classes == ("even", "odd")
    opened = open_dataset(ref, settings, storage)
    assert opened.labels is not None
    assert np.array_equal(opened.labels, opened.gather(np.arange(40))[:, 0, 0, 0] % 2)


def test_shards_are_equal_to_the_byte_for_any_number_of_workers(
    store: ObjectStore, tmp_path: Path, pictures: Path
) -> None:
    contents = []
    for workers in (1, 3):
        settings = store.settings(tmp_path / f"home-{workers}", prepare_workers=workers)
        ref = prepare_dataset(of_folder(pictures), settings, open_storage(settings))
        contents.append(manifest_of(ref, open_storage(settings)).to_bytes().replace(settings.bucket.encode(), b""))
    assert contents[0] == contents[1]


def digest(config: DataConfig, settings: Settings) -> str:
    return prepare_dataset(config, settings, open_storage(settings)).digest


def test_the_digest_changes_with_everything_that_shapes_the_pixels(
    settings: Settings, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [
        digest(of_folder(pictures), settings),
        digest(of_folder(pictures, image_size=64), settings),
        digest(of_folder(pictures, channels=3), settings),
        digest(of_folder(pictures, max_images=39), settings),
        digest(of_folder(pictures, held_out_fraction=0.2), settings),
        digest(of_folder(pictures, crop="resize"), settings),
        digest(of_folder(pictures, crop="pad"), settings),
    ]
    Image.new("L", (20, 30), 200).save(pictures / "even" / "00.png")
    digests.append(digest(of_folder(pictures), settings))
    (pictures / "even" / "00.png").rename(pictures / "odd" / "00.png")
    digests.append(digest(of_folder(pictures), settings))
    monkeypatch.setattr("wgan.data.prepare.FORMAT_VERSION", images.FORMAT_VERSION + 1)
    digests.append(digest(of_folder(pictures), settings))
    assert len(set(digests)) == len(digests)


def test_the_digest_does_not_change_with_anything_else(settings: Settings, pictures: Path, tmp_path: Path) -> None:
    first = digest(of_folder(pictures), settings)
    moved = shutil.copytree(pictures, tmp_path / "moved")
    (moved / "readme.txt").touch()
    assert digest(of_folder(moved), settings) == first
    assert digest(of_folder(pictures, max_bad_fraction=0.5), settings) == first
    assert digest(of_folder(pictures, max_images=40), settings) == first
    assert digest(of_folder(pictures, seed=5, stacked_count=99), settings) == first
    assert digest(of_folder(pictures), settings.model_copy(update={"prepare_workers": 1})) == first
    assert digest(of_folder(pictures).model_copy(update={"name": "another"}), settings) == first


def test_only_the_first_images_are_used_when_there_is_a_limit(
    settings: Settings, storage: Storage, pictures: Path
) -> None:
    ref = prepare_dataset(of_folder(pictures, max_images=17), settings, storage)
    assert ref.count == 17
    assert open_dataset(ref, settings, storage).gather(np.arange(17))[:, 0, 0, 0].tolist() == list(range(0, 34, 2))
    limited = prepare_dataset(DIGITS.model_copy(update={"max_images": 100}), settings, storage)
    assert limited.count + limited.held_out_count == 100


def test_bad_files_are_skipped_and_listed_with_their_reasons(
    settings: Settings, storage: Storage, pictures: Path
) -> None:
    (pictures / "odd" / "00-broken.png").write_bytes(b"broken")
    (pictures / "odd" / "99-empty.png").touch()
    ref = prepare_dataset(of_folder(pictures, max_bad_fraction=0.05), settings, storage)
    manifest = manifest_of(ref, storage)
    assert (ref.count, ref.bad_count) == (40, 2)
    assert [(file.name, file.reason) for file in manifest.bad_files] == [
        ("odd/00-broken.png", "not an image"),
        ("odd/99-empty.png", "an empty file"),
    ]
    opened = open_dataset(ref, settings, storage)
    assert opened.labels is not None
    assert np.array_equal(opened.labels, opened.gather(np.arange(40))[:, 0, 0, 0] % 2)


def test_too_many_bad_files_fail_the_run_new_or_found(settings: Settings, storage: Storage, pictures: Path) -> None:
    for number in range(4):
        (pictures / "odd" / f"bad-{number}.png").write_bytes(b"broken")
    expected = (
        r"^4 of 44 files \(9\.1%\) of data set pictures do not decode, more than data\.max_bad_fraction=0\.09 allows "
        r"\(odd/bad-0\.png: not an image; odd/bad-1\.png: not an image; odd/bad-2\.png: not an image; …\)\.$"
    )
    with pytest.raises(DataError, match=expected):
        prepare_dataset(of_folder(pictures, max_bad_fraction=0.09), settings, storage)
    assert not any(entry.key.endswith("manifest.json") for entry in storage.list("datasets/"))
    prepare_dataset(of_folder(pictures, max_bad_fraction=0.1), settings, storage)
    with pytest.raises(DataError, match=expected):
        prepare_dataset(of_folder(pictures, max_bad_fraction=0.09), settings, storage)


def test_fewer_than_sixteen_images_are_refused(settings: Settings, storage: Storage, tmp_path: Path) -> None:
    for number in range(15):
        Image.new("L", (8, 8)).save(tmp_path / f"{number}.png")
    with pytest.raises(DataError, match="has 15 images that decode; at least 16 are needed"):
        prepare_dataset(of_folder(tmp_path), settings, storage)


@pytest.mark.parametrize(("source", "reason"), [("folder", "is not a folder"), ("archive", "is not a file")])
def test_a_missing_location_is_one_sentence(settings: Settings, storage: Storage, source: str, reason: str) -> None:
    config = DataConfig(source=source, location="nowhere", name="nothing")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=f"data.location='nowhere' {reason}"):
        prepare_dataset(config, settings, storage)


def test_concurrent_preparations_of_one_digest_agree(settings: Settings, pictures: Path) -> None:
    refs: list[DatasetRef] = []
    threads = [
        threading.Thread(
            target=lambda: refs.append(prepare_dataset(of_folder(pictures), settings, open_storage(settings)))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refs) == 4
    assert len({ref.manifest_sha256 for ref in refs}) == 1
    assert open_dataset(refs[0], settings, open_storage(settings)).count == 40


def test_no_temporary_files_are_left_in_the_cache(settings: Settings, storage: Storage, pictures: Path) -> None:
    prepare_dataset(of_folder(pictures), settings, storage)
    (pictures / "even" / "00.png").write_bytes(b"broken")
    with pytest.raises(DataError):
        prepare_dataset(of_folder(pictures), settings, storage)
    left = [path.name for path in (settings.cache / "preparing").rglob("*")]
    assert left == [".lock"]


def test_progress_is_reported_to_the_end(settings: Settings, storage: Storage, pictures: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    prepare_dataset(of_folder(pictures), settings, storage, lambda *position: told.append(position))
    assert [position for position in told if position[0] == "hash"][-1] == ("hash", 40, 40)
    assert [position for position in told if position[0] == "decode"][-1] == ("decode", 40, 40)


def test_the_catalogue_lists_what_is_prepared(settings: Settings, storage: Storage, pictures: Path) -> None:
    assert list_datasets(storage, settings) == []
    refs = [prepare_dataset(of_folder(pictures), settings, storage), prepare_dataset(DIGITS, settings, storage)]
    assert list_datasets(storage, settings) == [refs[1], refs[0]]


MEASURE = """
import json, resource, sys
from wgan.config import DataConfig
from wgan.data.prepare import prepare_dataset
from wgan.settings import Settings
from wgan.storage import open_storage
settings = Settings(_env_file=None, **json.loads(sys.argv[1]))
prepare_dataset(DataConfig(**json.loads(sys.argv[2])), settings, open_storage(settings))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_memory_stays_flat_as_the_data_set_grows(settings: Settings, tmp_path: Path) -> None:
    """Four thousand more images of 128×128×3 are 197 MB of pixels more; the process may grow by a quarter of that."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / "one.png")
    peaks = []
    for count in (2000, 6000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:04}.png").hardlink_to(tmp_path / "one.png")
        where = settings.model_dump(mode="json", include={"home", "s3_endpoint_url", "s3_access_key_id", "bucket"})
        assert settings.s3_secret_access_key
        where["s3_secret_access_key"] = settings.s3_secret_access_key.get_secret_value()
        config = {"source": "folder", "location": str(folder), "name": "many", "image_size": 128, "channels": 3}
        result = subprocess.run(
            [sys.executable, "-c", MEASURE, json.dumps(where), json.dumps(config)], capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        peaks.append(int(result.stdout))
    assert peaks[1] - peaks[0] < 4000 * 128 * 128 * 3 / 4


def test_a_cache_that_cannot_be_written_is_one_sentence(settings: Settings, storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked = settings.model_copy(update={"cache_dir": tmp_path / "file"})
    with pytest.raises(DataError, match=r"^data set digits cannot be prepared: Not a directory \(.*\)\.$"):
        prepare_dataset(DIGITS, blocked, storage)
    ref = prepare_dataset(DIGITS, settings, storage)
    with pytest.raises(DataError, match=r"^the cache folder .* cannot be used: Not a directory\.$"):
        open_dataset(ref, blocked, storage)
