"""Downloads from a real server on loopback that stalls, truncates, lies, is overloaded, or never ends."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.data_mirror import HASTY, Mirror, running_mirror
from wgan.download.access import Access
from wgan.download.cache import PublishedFile, fetch_published, fetch_url
from wgan.download.fetch import Checksum, download, public_url
from wgan.errors import DataError
from wgan.settings import Settings
from wgan.storage import open_storage

CONTENT = bytes(range(256)) * 2000
SHA256 = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())
MD5 = Checksum("md5", hashlib.md5(CONTENT).hexdigest())


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with running_mirror() as mirror:
        yield mirror


def silent(phase: str, done: int, total: int | None) -> None:
    """Nothing listens there."""


def fetch(path: Path, *urls: str, checksum: Checksum | None = SHA256, max_bytes: int = 2**20) -> None:
    download(urls, path, max_bytes=max_bytes, retries=HASTY, progress=silent, remedy="set it right", checksum=checksum)


def access(tmp_path: Path, **more: object) -> Access:
    settings = Settings(_env_file=None, home=tmp_path, **more)
    return Access(settings, open_storage(settings), HASTY, silent)


@pytest.mark.parametrize("fault", ["stall", "truncate", "lie", 500, 503, 429])
def test_a_transient_fault_is_retried(mirror: Mirror, tmp_path: Path, fault: str | int) -> None:
    url = mirror.serve("file", CONTENT, fault, fault)
    fetch(tmp_path / "file", url)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert len(mirror.requests) == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("stall", "stalled"),
        ("truncate", "broke off"),
        ("lie", "sent a file whose sha256 is"),
        (500, "answered 500"),
    ],
)
def test_a_permanent_fault_is_one_sentence_and_leaves_no_file(
    mirror: Mirror, tmp_path: Path, fault: str | int, reason: str
) -> None:
    url = mirror.serve("file", CONTENT, *[fault] * HASTY.attempts)
    with pytest.raises(DataError, match=reason) as raised:
        fetch(tmp_path / "file", url)
    assert str(raised.value).startswith(url)
    assert str(raised.value).endswith("(3 attempts): set it right.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [404, 403, 401, 410])
def test_a_refusal_is_not_retried(mirror: Mirror, tmp_path: Path, status: int) -> None:
    url = mirror.serve("file", CONTENT, status)
    with pytest.raises(DataError, match=f"answered {status}"):
        fetch(tmp_path / "file", url)
    assert len(mirror.requests) == 1


def test_a_failure_keeps_the_existing_file(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"before")
    with pytest.raises(DataError):
        fetch(tmp_path / "file", mirror.serve("file", CONTENT, *["truncate"] * 3))
    assert (tmp_path / "file").read_bytes() == b"before"


@pytest.mark.parametrize("faults", [[], ["endless"]])
def test_more_than_the_cap_is_refused_with_or_without_a_length(
    mirror: Mirror, tmp_path: Path, faults: list[str | int]
) -> None:
    url = mirror.serve("file", CONTENT, *faults)
    with pytest.raises(DataError, match="more than the 1,000 bytes that WGAN_DOWNLOAD_MAX_BYTES allows"):
        fetch(tmp_path / "file", url, max_bytes=1000)
    assert len(mirror.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_published_addresses_are_tried_in_order(mirror: Mirror, tmp_path: Path) -> None:
    urls = [mirror.serve("gone", CONTENT, 404), mirror.serve("good", CONTENT)]
    fetch(tmp_path / "file", *urls)
    assert mirror.requests == ["GET gone -> 404", "GET good -> 200"]


def test_an_unreachable_server_is_named(tmp_path: Path, free_port: int) -> None:
    with pytest.raises(DataError, match=rf"http://127\.0\.0\.1:{free_port}/file broke off or does not answer"):
        fetch(tmp_path / "file", f"http://127.0.0.1:{free_port}/file")


def test_credentials_of_an_address_are_not_shown(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("file", CONTENT, 403).replace("http://", "http://user:secret@") + "?token=secret#secret"
    with pytest.raises(DataError) as raised:
        fetch(tmp_path / "file", url)
    assert "secret" not in str(raised.value)
    assert public_url("https://u:p@host:1/a/b.zip?key=1") == "https://host:1/a/b.zip"


def test_a_published_file_comes_from_the_mirror_of_the_settings_once(mirror: Mirror, tmp_path: Path) -> None:
    mirror.serve("numbers/file.bin", CONTENT)
    file = PublishedFile("numbers", "file.bin", ("http://127.0.0.1:1/never",), MD5)
    for _ in range(2):
        path = fetch_published(file, access(tmp_path, mirror_url=f"{mirror.url}/"))
        assert path.read_bytes() == CONTENT
    assert mirror.requests == ["GET numbers/file.bin -> 200"]


def test_a_cached_file_with_a_flipped_bit_is_fetched_again(mirror: Mirror, tmp_path: Path) -> None:
    mirror.serve("numbers/file.bin", CONTENT)
    file = PublishedFile("numbers", "file.bin", (), MD5)
    at = access(tmp_path, mirror_url=mirror.url)
    path = fetch_published(file, at)
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    assert fetch_published(file, at).read_bytes() == CONTENT
    assert len(mirror.requests) == 2


def test_a_file_the_mirror_lacks_names_the_address_and_the_setting(mirror: Mirror, tmp_path: Path) -> None:
    file = PublishedFile("numbers", "file.bin", (), MD5)
    with pytest.raises(DataError) as raised:
        fetch_published(file, access(tmp_path, mirror_url=mirror.url))
    assert str(raised.value) == (
        f"{mirror.url}/numbers/file.bin answered 404 Not Found: "
        "set WGAN_MIRROR_URL to a server that has numbers/file.bin."
    )


def test_a_url_is_fetched_again_only_when_it_changed(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("file.zip", CONTENT)
    mirror.etags["file.zip"] = '"1"'
    at = access(tmp_path)
    assert fetch_url(url, at) == fetch_url(url, at)
    assert fetch_url(url, at)[1] == SHA256.hex
    mirror.files["file.zip"] = b"another"
    mirror.etags["file.zip"] = '"2"'
    path, sha256 = fetch_url(url, at)
    assert (path.read_bytes(), sha256) == (b"another", hashlib.sha256(b"another").hexdigest())
    assert [request.split()[-1] for request in mirror.requests] == ["200", "304", "304", "200"]


def test_an_altered_cached_copy_does_not_count_as_current(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("file.zip", CONTENT)
    mirror.etags["file.zip"] = '"1"'
    path, _ = fetch_url(url, access(tmp_path))
    path.write_bytes(b"altered")
    assert fetch_url(url, access(tmp_path))[1] == SHA256.hex
    assert path.read_bytes() == CONTENT
