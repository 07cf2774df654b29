"""Storage with real S3 servers, the embedded one and SeaweedFS: what it stores, and how it fails."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.data_object_store import ObjectStore
from tests.integration.seaweedfs_server import seaweedfs_server
from wgan.errors import ObjectDamaged, ObjectMissing, StorageError
from wgan.file_digest import file_sha256
from wgan.settings import Settings
from wgan.storage import Storage, open_storage, split_uri
from wgan.storage.objects import MULTIPART_BYTES


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with seaweedfs_server(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="module", params=["embedded", "SeaweedFS"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a store that is running."""
    if request.param == "embedded":
        found: Settings = request.getfixturevalue("stack")
        return found
    seaweedfs: ObjectStore = request.getfixturevalue("seaweedfs")
    return seaweedfs.settings(tmp_path_factory.mktemp("home"))


@pytest.fixture
def storage(served: Settings) -> Storage:
    return open_storage(served)


def test_bytes_come_back_unchanged(storage: Storage) -> None:
    assert storage.put_bytes("a/b.bin", b"\0\xff" * 500) == f"s3://{storage.bucket}/a/b.bin"
    assert storage.get_bytes("a/b.bin") == b"\0\xff" * 500
    storage.put_bytes("a/b.bin", b"")
    assert storage.get_bytes("a/b.bin") == b""


def test_an_object_that_is_far_too_large_is_not_read_into_memory(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wgan.storage.objects.MOST_BYTES", 100)
    storage.put_bytes("planted.json", b"[" * 101)
    with pytest.raises(ObjectDamaged, match=r"planted\.json has 101 bytes; no more than 100 are read at once\.$"):
        storage.get_bytes("planted.json")
    storage.put_bytes("planted.json", b"[" * 100)
    assert len(storage.get_bytes("planted.json")) == 100


def test_an_object_exists_until_it_is_deleted(storage: Storage) -> None:
    assert not storage.exists("short-lived")
    storage.put_bytes("short-lived", b"x")
    assert storage.exists("short-lived")
    storage.delete("short-lived")
    storage.delete("short-lived")
    assert not storage.exists("short-lived")


def test_a_file_in_several_parts_comes_back_with_its_sha256(storage: Storage, tmp_path: Path) -> None:
    data = os.urandom(2 * MULTIPART_BYTES + 12_345)
    source, copy = tmp_path / "source", tmp_path / "folder" / "copy"
    source.write_bytes(data)
    storage.put_file("large", source)
    storage.get_file("large", copy, sha256=hashlib.sha256(data).hexdigest())
    assert copy.read_bytes() == data
    assert file_sha256(copy) == hashlib.sha256(data).hexdigest()


def test_a_file_with_another_sha256_never_gets_its_final_name(storage: Storage, tmp_path: Path) -> None:
    storage.put_bytes("flipped", b"changed")
    with pytest.raises(StorageError, match="flipped is damaged: its SHA-256"):
        storage.get_file("flipped", tmp_path / "copy", sha256=hashlib.sha256(b"original").hexdigest())
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_keeps_the_existing_file(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"before")
    with pytest.raises(ObjectMissing):
        storage.get_file("nowhere", tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    assert (tmp_path / "copy").read_bytes() == b"before"


def test_a_listing_longer_than_a_page_is_complete_and_in_order(storage: Storage) -> None:
    names = [f"many/{number:04d}" for number in range(1005)]  # a page holds 1000
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: storage.put_bytes(name, b"1"), names))
    listed = list(storage.list("many/"))
    assert [entry.key for entry in listed] == names
    assert {entry.size for entry in listed} == {1}


def test_a_listing_has_every_object_whatever_the_stores_order(storage: Storage) -> None:
    names = ["order/a/b", "order/a-b", "order/a.b", "order/ab", "order/A", "order/ä", "order/a b"]
    for name in names:
        storage.put_bytes(name, b"1")
    assert sorted(entry.key for entry in storage.list("order/")) == sorted(names)


def test_a_listing_of_one_folder_goes_on_after_a_key(storage: Storage) -> None:
    for number in range(5):
        storage.put_bytes(f"ledger/{number:04d}-x.json", b"1")
    assert [entry.key for entry in storage.list("ledger/", "ledger/0002-x.json")] == [
        "ledger/0003-x.json",
        "ledger/0004-x.json",
    ]


def test_the_first_bytes_of_an_object_are_read(storage: Storage) -> None:
    storage.put_bytes("long", b"0123456789")
    assert storage.get_first_bytes("long", 4) == b"0123"
    assert storage.get_first_bytes("long", 400) == b"0123456789"
    storage.put_bytes("long", b"")
    assert storage.get_first_bytes("long", 4) == b""


def test_an_etag_changes_with_the_content(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(MULTIPART_BYTES + 1))
    seen = set()
    for content in (b"1", b"2", b""):
        storage.put_bytes("changing", content)
        seen.update(entry.etag for entry in storage.list("changing"))
    storage.put_file("changing", tmp_path / "large")
    seen.update(entry.etag for entry in storage.list("changing"))
    assert len(seen) == 4


def test_more_objects_than_a_request_holds_are_deleted_and_missing_ones_are_no_failure(storage: Storage) -> None:
    names = [f"doomed/{number:04d}" for number in range(40)]
    for name in names[:20]:
        storage.put_bytes(name, b"1")
    assert storage.delete_all([*names, *(f"never/{number}" for number in range(1000))]) == {}
    assert list(storage.list("doomed/")) == []


def test_an_unfinished_upload_is_listed_with_its_parts_and_can_be_aborted(storage: Storage) -> None:
    client, bucket = storage.client, storage.bucket
    started = client.create_multipart_upload(Bucket=bucket, Key="unfinished/file")
    part = {"Bucket": bucket, "Key": "unfinished/file", "UploadId": started["UploadId"]}
    client.upload_part(**part, PartNumber=1, Body=bytes(5 * 2**20))
    assert list(storage.list("unfinished/")) == []
    uploads = storage.list_uploads("unfinished/")
    assert uploads is not None
    assert [upload.key for upload in uploads] == ["unfinished/file"]
    assert storage.uploaded_parts(uploads[0])[0] == 5 * 2**20
    storage.abort_upload(uploads[0])
    storage.abort_upload(uploads[0])
    assert storage.list_uploads("unfinished/") == []


def test_the_stores_clock_is_read(storage: Storage) -> None:
    assert abs((storage.clock() - datetime.now(UTC)).total_seconds()) < 300


def test_a_missing_object_is_named_with_its_store(storage: Storage, served: Settings) -> None:
    with pytest.raises(ObjectMissing) as caught:
        storage.get_bytes("nowhere")
    assert str(caught.value) == f"there is no s3://{storage.bucket}/nowhere at {served.s3_endpoint_url}."


def test_a_bucket_is_created_once_by_concurrent_processes(storage: Storage) -> None:
    fresh = storage.at("fresh-bucket")
    start = threading.Barrier(4)

    def create() -> None:
        start.wait()
        fresh.ensure_bucket()

    with ThreadPoolExecutor(4) as pool:
        for outcome in [pool.submit(create) for _ in range(4)]:
            outcome.result()
    assert fresh.put_bytes("key", b"value") == "s3://fresh-bucket/key"


def test_an_upload_to_a_missing_bucket_is_one_sentence(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StorageError, match="s3://no-such-bucket/key"):
        storage.at("no-such-bucket").put_file("key", tmp_path / "file")


def test_wrong_credentials_name_the_settings(served: Settings) -> None:
    stranger = open_storage(served.model_copy(update={"s3_access_key_id": "stranger"}))
    for attempt in (lambda: stranger.put_bytes("key", b"x"), lambda: stranger.exists("key"), stranger.ensure_bucket):
        with pytest.raises(StorageError, match="WGAN_S3_ACCESS_KEY_ID"):
            attempt()


def test_an_unreachable_store_names_the_command_and_the_setting(served: Settings, free_port: int) -> None:
    absent = open_storage(served.model_copy(update={"s3_endpoint_url": f"http://127.0.0.1:{free_port}"}))
    with pytest.raises(StorageError, match=r"does not answer: start .* `wgan up`, or set WGAN_S3_ENDPOINT_URL"):
        absent.put_bytes("key", b"x")


def test_a_store_without_credentials_says_how_to_get_them(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    nobody = open_storage(served.model_copy(update={"s3_access_key_id": None, "s3_secret_access_key": None}))
    with pytest.raises(StorageError, match="there are no S3 credentials"):
        nobody.put_bytes("key", b"x")


@pytest.mark.parametrize("address", ["http://bucket/key", "s3://", "s3:///key", "bucket/key", ""])
def test_only_s3_addresses_are_split(address: str) -> None:
    with pytest.raises(StorageError, match="is not an S3 address of the form s3://bucket/key"):
        split_uri(address)


def test_an_s3_address_is_a_bucket_and_a_key() -> None:
    assert split_uri("s3://bucket/a/b c") == ("bucket", "a/b c")
    assert split_uri("s3://bucket") == ("bucket", "")
