"""Downloads that do not trust the network: time-outs, retries with back-off, a checksum, a size cap, atomic names."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import httpx

from wgan.download.access import Progress, RetryPolicy
from wgan.errors import DataError

BLOCK = 256 * 1024
PASSING_STATUSES = (408, 425, 429)


@dataclass(frozen=True)
class Checksum:
    """A published checksum."""

    algorithm: Literal["md5", "sha256"]
    hex: str


@dataclass(frozen=True)
class Arrival:
    """What a server said of the file it sent."""

    modified: bool
    """False: the copy that the request's conditions speak of is still the current one, nothing was written."""
    etag: str | None
    last_modified: str | None


class _PermanentFailure(Exception):
    """This address will not give the file, however often one asks."""


class _TransientFailure(Exception):
    """This address may give the file the next time."""

    def __init__(self, reason: str, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


def download(
    urls: Sequence[str],
    path: Path,
    *,
    max_bytes: int,
    retries: RetryPolicy,
    progress: Progress,
    remedy: str,
    checksum: Checksum | None = None,
    conditions: Mapping[str, str] | None = None,
) -> Arrival:
    """Fetch a file from the first of `urls` that gives it whole; `path` gets its name only when all is right.

    Hold a lock on `path`: the temporary file beside it has a fixed name, so that nothing is left behind for long.
    Raises `DataError`: one sentence with every address, why it did not give the file, and the `remedy`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    failures = []
    try:
        with _client(retries) as client:
            for url in urls:
                try:
                    arrival = _with_retries(client, url, part, max_bytes, retries, progress, checksum, conditions or {})
                except _PermanentFailure as refusal:
                    failures.append(f"{public_url(url)} {refusal}")
                    continue
                if arrival.modified:
                    part.replace(path)
                    _sync_folder(path.parent)
                return arrival
    except OSError as error:
        raise DataError(f"{path.name} cannot be written to {path.parent}: {error.strerror or error}.") from None
    finally:
        part.unlink(missing_ok=True)
    raise DataError(f"{'; '.join(failures)}: {remedy}.")


def public_url(url: str) -> str:
    """The address without user, password, query and fragment, any of which may hold a credential."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def file_matches(path: Path, checksum: Checksum) -> bool:
    """Whether the file is there and has this checksum."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, checksum.algorithm).hexdigest() == checksum.hex


def _client(retries: RetryPolicy) -> httpx.Client:
    timeout = httpx.Timeout(retries.stall_seconds, connect=retries.connect_seconds)
    # Identity: the file's own bytes, not a transport encoding of them.
    headers = {"Accept-Encoding": "identity", "User-Agent": "wgan-pipeline"}
    return httpx.Client(timeout=timeout, follow_redirects=True, headers=headers)


def _with_retries(
    client: httpx.Client,
    url: str,
    part: Path,
    max_bytes: int,
    retries: RetryPolicy,
    progress: Progress,
    checksum: Checksum | None,
    conditions: Mapping[str, str],
) -> Arrival:
    for attempt in range(1, retries.attempts + 1):
        try:
            return _attempt(client, url, part, max_bytes, progress, checksum, conditions)
        except _TransientFailure as failure:
            if attempt == retries.attempts:
                raise _PermanentFailure(f"{failure} ({attempt} attempts)") from None
            pause = retries.backoff_seconds * 2 ** (attempt - 1) * (1 + random.random())
            time.sleep(min(max(pause, failure.wait_seconds), retries.longest_backoff_seconds))
    raise ValueError("retries.attempts must be at least 1")


def _attempt(
    client: httpx.Client,
    url: str,
    part: Path,
    max_bytes: int,
    progress: Progress,
    checksum: Checksum | None,
    conditions: Mapping[str, str],
) -> Arrival:
    try:
        with client.stream("GET", url, headers=dict(conditions)) as response:
            arrival = _judge(response)
            if arrival.modified:
                _receive(response, part, max_bytes, progress, checksum)
            return arrival
    except httpx.TimeoutException:
        raise _TransientFailure("did not answer in time or stalled") from None
    except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
        raise _PermanentFailure(f"cannot be fetched ({error})") from None
    except httpx.TransportError as error:
        raise _TransientFailure(f"broke off or does not answer ({error})") from None


def _judge(response: httpx.Response) -> Arrival:
    status = response.status_code
    if status in PASSING_STATUSES or status >= 500:
        wait = response.headers.get("Retry-After", "")
        raise _TransientFailure(f"answered {status} {response.reason_phrase}", float(wait) if wait.isdecimal() else 0.0)
    if status not in (200, 304):
        raise _PermanentFailure(f"answered {status} {response.reason_phrase}")
    return Arrival(status == 200, response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _receive(
    response: httpx.Response, part: Path, max_bytes: int, progress: Progress, checksum: Checksum | None
) -> None:
    too_large = f"sends more than the {max_bytes:,} bytes that WGAN_DOWNLOAD_MAX_BYTES allows"
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    if total is not None and total > max_bytes:
        raise _PermanentFailure(too_large)
    digest = hashlib.new(checksum.algorithm if checksum else "sha256", usedforsecurity=False)
    received = 0
    with part.open("wb") as file:
        for block in response.iter_raw(BLOCK):
            received += len(block)
            if received > max_bytes:
                raise _PermanentFailure(too_large)
            digest.update(block)
            file.write(block)
            progress("download", received, total)
        file.flush()
        os.fsync(file.fileno())
    if checksum and digest.hexdigest() != checksum.hex:
        raise _TransientFailure(
            f"sent a file whose {checksum.algorithm} is {digest.hexdigest()[:12]}…, not {checksum.hex[:12]}…"
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
