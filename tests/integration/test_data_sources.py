"""The sources, on real files where available: over HTTP from a mirror, and from a bucket."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torchvision
from PIL import Image

from tests.integration.data_mirror import HASTY, Mirror, running_mirror
from tests.integration.data_object_store import ObjectStore, recorded_requests
from wgan.config import DataConfig
from wgan.data.dataset import PreparedImages, open_dataset
from wgan.data.prepare import prepare_dataset
from wgan.data.sources import cifar10, lsun
from wgan.download.cache import PublishedFile
from wgan.download.fetch import Checksum
from wgan.errors import DataError, StorageError, UsageError
from wgan.settings import Settings
from wgan.storage import Storage, open_storage


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with running_mirror() as mirror:
        yield mirror


@pytest.fixture
def settings(store: ObjectStore, tmp_path: Path, mirror: Mirror) -> Settings:
    return store.settings(tmp_path / "home", mirror_url=mirror.url)


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


def prepared(config: DataConfig, settings: Settings, storage: Storage) -> PreparedImages:
    return open_dataset(prepare_dataset(config, settings, storage, retries=HASTY), settings, storage)


def idx(path: Path, header: int) -> np.ndarray:
    """The values of an idx file, read here without the library."""
    return np.frombuffer(gzip.decompress(path.read_bytes())[header:], dtype=np.uint8)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_files_arrive_intact_from_a_mirror_that_stalls_truncates_lies_and_fails(
    name: str, mirror: Mirror, settings: Settings, storage: Storage, shared_data: Path
) -> None:
    for file, faults in (
        ("train-images-idx3-ubyte.gz", ("stall", "lie")),
        ("train-labels-idx1-ubyte.gz", ("truncate", 500)),
        ("t10k-images-idx3-ubyte.gz", ()),
        ("t10k-labels-idx1-ubyte.gz", ()),
    ):
        mirror.serve(f"{name}/{file}", shared_data / name / file, *faults)
    opened = prepared(DataConfig(source=name), settings, storage)  # type: ignore[arg-type]
    assert (opened.count, opened.channels, opened.image_size, len(opened.ref.classes)) == (60_000, 1, 32, 10)
    assert opened.labels is not None
    assert np.array_equal(opened.labels, idx(shared_data / name / "train-labels-idx1-ubyte.gz", 8))
    originals = idx(shared_data / name / "train-images-idx3-ubyte.gz", 16).reshape(60_000, 28, 28)
    chosen = np.arange(0, 60_000, 997)
    difference = opened.gather(chosen).mean(axis=(1, 2, 3)) - originals[chosen].mean(axis=(1, 2))
    assert np.abs(difference).max() < 1.5  # a resize keeps the mean but for its margins
    assert opened.held_out is not None
    assert opened.held_out.labels is not None
    assert np.array_equal(opened.held_out.labels, idx(shared_data / name / "t10k-labels-idx1-ubyte.gz", 8))
    tests = idx(shared_data / name / "t10k-images-idx3-ubyte.gz", 16).reshape(10_000, 28, 28)
    chosen = np.arange(0, 10_000, 997)
    difference = opened.held_out.gather(chosen).mean(axis=(1, 2, 3)) - tests[chosen].mean(axis=(1, 2))
    assert np.abs(difference).max() < 1.5
    assert len(mirror.requests) == 8

    requests = len(mirror.requests)
    assert prepare_dataset(DataConfig(source=name), settings, storage) == opened.ref  # type: ignore[arg-type]
    assert len(mirror.requests) == requests


def test_another_machine_does_not_download_what_is_prepared(
    mirror: Mirror, settings: Settings, storage: Storage, shared_data: Path, tmp_path: Path
) -> None:
    for file in (shared_data / "mnist").glob("*-ubyte.gz"):
        mirror.serve(f"mnist/{file.name}", file)
    config = DataConfig(source="mnist", max_images=100)
    ref = prepare_dataset(config, settings, storage)
    mirror.requests.clear()
    elsewhere = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    assert prepare_dataset(config, elsewhere, storage) == ref
    assert mirror.requests == []


def test_stacked_mnist_shows_three_real_digits(
    mirror: Mirror, settings: Settings, storage: Storage, shared_data: Path
) -> None:
    for file in (shared_data / "mnist").glob("*-ubyte.gz"):
        mirror.serve(f"mnist/{file.name}", file)
    config = DataConfig(source="stacked-mnist", channels=3, stacked_count=300, seed=7)
    stacked = prepared(config, settings, storage)
    digits = prepared(DataConfig(source="mnist"), settings, storage)
    assert stacked.labels is not None
    assert digits.labels is not None
    assert (stacked.count, len(stacked.ref.classes)) == (300, 1000)
    # Each channel is one of the prepared digits of the same split, and of the class the label names.
    for triples, singles in ((stacked, digits), (stacked.held_out, digits.held_out)):
        assert triples is not None
        assert singles is not None
        assert triples.labels is not None
        assert singles.labels is not None
        everything = {singles.gather(np.array([i])).tobytes(): singles.labels[i] for i in range(singles.count)}
        for image, label in zip(triples.gather(np.arange(20)), triples.labels[:20], strict=True):
            assert [everything[channel.tobytes()] for channel in image] == [int(digit) for digit in f"{label:03d}"]
    assert prepare_dataset(config.model_copy(update={"seed": 8}), settings, storage).digest != stacked.ref.digest


def test_cifar10_is_read_from_the_binary_version(
    mirror: Mirror,
    settings: Settings,
    storage: Storage,
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = {}
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz", compresslevel=1) as archive:
        for name in ("data_batch_1.bin", "test_batch.bin"):
            records[name] = lzma.decompress((shared_data / "cifar-10" / f"{name}.xz").read_bytes())
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(records[name])
            archive.addfile(info, io.BytesIO(records[name]))
    packed = (tmp_path / "cifar-10-binary.tar.gz").read_bytes()
    mirror.serve("cifar10/cifar-10-binary.tar.gz", packed, "truncate")
    own = PublishedFile("cifar10", "cifar-10-binary.tar.gz", (), Checksum("md5", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(cifar10, "ARCHIVE", own)

    opened = prepared(DataConfig(source="cifar10", channels=3), settings, storage)
    expected = np.frombuffer(records["data_batch_1.bin"], dtype=np.uint8).reshape(10_000, 3073)
    assert opened.labels is not None
    assert np.array_equal(opened.labels, expected[:, 0])
    assert np.array_equal(opened.gather(np.arange(10_000)), expected[:, 1:].reshape(-1, 3, 32, 32))
    tests = np.frombuffer(records["test_batch.bin"], dtype=np.uint8).reshape(10_000, 3073)
    assert opened.held_out is not None
    assert np.array_equal(opened.held_out.gather(np.arange(10_000)), tests[:, 1:].reshape(-1, 3, 32, 32))


def test_cifar10_is_pinned_to_the_published_checksum(mirror: Mirror, settings: Settings, storage: Storage) -> None:
    mirror.serve("cifar10/cifar-10-binary.tar.gz", b"something else")
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz sent a file whose md5 is .*, not c32a1d4ab5d0…"):
        prepared(DataConfig(source="cifar10", channels=3), settings, storage)


def test_the_emoji_archive_is_prepared_from_its_address(
    mirror: Mirror, settings: Settings, storage: Storage, shared_data: Path
) -> None:
    url = mirror.serve("emoji.zip", shared_data / "images" / "noto-emoji-64.zip", "stall")
    mirror.etags["emoji.zip"] = '"1"'
    config = DataConfig(source="archive", location=f"{url}?download=1", name="emoji", image_size=64, channels=3)
    opened = prepared(config, settings, storage)
    assert opened.count + opened.ref.held_out_count == 3767
    assert (opened.ref.bad_count, opened.ref.classes) == (0, ())
    with zipfile.ZipFile(shared_data / "images" / "noto-emoji-64.zip") as archive:
        first = sorted(name for name in archive.namelist() if name.endswith(".png"))[opened.rows[0]]
        original = np.asarray(Image.open(io.BytesIO(archive.read(first))))
    assert np.array_equal(opened.gather(np.array([0]))[0], original.transpose(2, 0, 1))

    assert prepare_dataset(config, settings, storage) == opened.ref
    assert mirror.requests[-1] == "GET emoji.zip -> 304"


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (16, 16), value).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_s3_prefix_follows_the_rules_of_a_folder(settings: Settings, storage: Storage, store: ObjectStore) -> None:
    bucket = store.settings(settings.home).bucket
    theirs = storage.at(bucket)
    for number in range(20):
        theirs.put_bytes(f"faces/{'ab'[number % 2]}/{number:02}.png", png(number))
    theirs.put_bytes("faces-of-others/99.png", png(99))
    theirs.put_bytes("faces/a/readme.txt", b"hello")
    config = DataConfig(source="s3", location=f"s3://{bucket}/faces", name="faces")
    opened = prepared(config, settings, storage)
    assert opened.ref.classes == ("a", "b")
    assert opened.gather(np.arange(20))[:, 0, 0, 0].tolist() == [*range(0, 20, 2), *range(1, 20, 2)]

    requests = recorded_requests(storage)
    assert prepare_dataset(config, settings, storage) == opened.ref
    assert len(requests) == 3  # a listing, the manifest and its signature
    theirs.put_bytes("faces/a/00.png", png(77))
    assert prepare_dataset(config, settings, storage).digest != opened.ref.digest


def test_a_missing_s3_bucket_is_one_sentence(settings: Settings, storage: Storage) -> None:
    with pytest.raises(StorageError, match=r"there is no s3://no-such-bucket") as raised:
        prepared(DataConfig(source="s3", location="s3://no-such-bucket/a", name="a"), settings, storage)
    assert "\n" not in str(raised.value)


def write_lmdb_zip(tmp_path: Path, scene: str, values: dict[bytes, bytes]) -> bytes:
    folder = tmp_path / f"{scene}_train_lmdb"
    with lmdb.open(str(folder), map_size=2**24) as database, database.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key, value)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"{folder.name}/{file.name}")
    return packed.getvalue()


def test_a_class_of_lsun_is_read_from_its_lmdb(
    mirror: Mirror, settings: Settings, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {f"{number:040x}".encode(): png(number) for number in range(40)}
    values[b"broken"] = b"not an image"
    packed = write_lmdb_zip(tmp_path, "church_outdoor", values)
    monkeypatch.setitem(lsun.SHA256, "church_outdoor", hashlib.sha256(packed).hexdigest())
    mirror.serve("lsun/church_outdoor_train_lmdb.zip", packed)
    config = DataConfig(source="lsun", location="church_outdoor", max_bad_fraction=0.1)
    opened = prepared(config, settings, storage)
    assert (opened.ref.name, opened.count, opened.ref.bad_count) == ("lsun-church-outdoor", 40, 1)
    assert opened.labels is None
    assert opened.gather(np.arange(40))[:, 0, 0, 0].tolist() == list(range(40))


def test_an_unknown_lsun_class_lists_the_existing_ones(settings: Settings, storage: Storage) -> None:
    with pytest.raises(UsageError, match=r"'garden' is not a class of LSUN: choose one of bedroom, .*, tower"):
        prepared(DataConfig(source="lsun", location="garden"), settings, storage)


def test_celeba_comes_from_a_mirror(
    mirror: Mirror, settings: Settings, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(20):
            archive.writestr(f"img_align_celeba/{number:06}.jpg", png(number))
    published = ("drive-id", hashlib.md5(packed.getvalue()).hexdigest(), "img_align_celeba.zip")
    monkeypatch.setattr(torchvision.datasets.CelebA, "file_list", [published])
    mirror.serve("celeba/img_align_celeba.zip", packed.getvalue())
    opened = prepared(DataConfig(source="celeba", channels=3), settings, storage)
    assert (opened.count, opened.labels) == (20, None)


def test_celeba_without_a_mirror_and_gdown_says_how_to_provide_it(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    settings = store.settings(tmp_path)
    with pytest.raises(DataError) as raised:
        prepare_dataset(DataConfig(source="celeba", channels=3), settings, open_storage(settings))
    for hint in ("data.source=archive", "data.location=", "WGAN_MIRROR_URL", "celeba/img_align_celeba.zip"):
        assert hint in str(raised.value)


@pytest.mark.parametrize("source", ["mnist", "fashion-mnist", "kmnist", "celeba"])
def test_a_file_the_mirror_lacks_names_the_address_and_the_setting(
    source: str, mirror: Mirror, settings: Settings, storage: Storage
) -> None:
    with pytest.raises(DataError, match=rf"^{mirror.url}/{source}/.* answered 404 Not Found: set WGAN_MIRROR_URL"):
        prepared(DataConfig(source=source), settings, storage)  # type: ignore[arg-type]
    assert len(mirror.requests) == 1
