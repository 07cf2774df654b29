"""Robust downloads: timeouts, retries with backoff, a checksum, a size limit, atomic renames."""

from __future__ import annotations

import hashlib
import netrc
import os
import random
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import httpx

from wgan.addresses import is_inside, is_link_local
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
    """The server's metadata of the file it sent."""

    modified: bool
    """False if the cached copy in the request's conditions is still current; nothing was written then."""
    etag: str | None
    last_modified: str | None


class _PermanentFailure(Exception):
    """This URL will not deliver the file; retries are useless."""


class _TransientFailure(Exception):
    """This URL may deliver the file on a retry."""

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
    """Download a file from the first of `urls` that delivers it intact; it is renamed to `path` once verified.

    Hold a lock on `path`: the temporary file beside it has a fixed name, so that leftovers do not accumulate. Raises
    `DataError`: one sentence with every URL, why it failed, and the `remedy`.
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
    """The URL without user, password, query and fragment, any of which may hold a credential."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def file_matches(path: Path, checksum: Checksum) -> bool:
    """Whether the file exists and has this checksum."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, checksum.algorithm).hexdigest() == checksum.hex


def _client(retries: RetryPolicy) -> httpx.Client:
    timeout = httpx.Timeout(retries.stall_seconds, connect=retries.connect_seconds)
    # Identity: the file's own bytes, not a transport encoding of them.
    headers = {"Accept-Encoding": "identity", "User-Agent": "wgan-pipeline"}
    hooks: dict[str, list[Callable[..., None]]] = {"request": [_judge_address], "response": [_judge_peer]}
    return httpx.Client(timeout=timeout, follow_redirects=True, headers=headers, event_hooks=hooks)


def _judge_address(request: httpx.Request) -> None:
    """Refuse a URL before connecting.

    Nothing is fetched from link-local addresses, where clouds hand out credentials; and no outside server may redirect
    us to an address of this machine or its networks.
    """
    origin = httpx.URL(request.extensions["origin"])
    if is_link_local(request.url.host):
        raise _PermanentFailure(f"leads to {request.url.host}, a link-local address: nothing is fetched from there")
    if request.url != origin and not is_inside(origin.host) and is_inside(request.url.host):
        raise _PermanentFailure(f"redirects to {request.url.host}, an address inside this machine's networks: refused")


def _judge_peer(response: httpx.Response) -> None:
    """The same for the connected peer, whatever its name resolved to in between."""
    request = response.request
    if _is_proxied(request.url):
        return
    stream = response.extensions.get("network_stream")
    address = stream.get_extra_info("server_addr") if stream else None
    if not address:
        return
    origin = httpx.URL(request.extensions["origin"])
    redirected = request.url != origin and not is_inside(origin.host)
    if is_link_local(address[0]) or (redirected and is_inside(address[0])):
        raise _PermanentFailure(f"leads to {address[0]}, an address inside this machine's networks: refused")


def _is_proxied(url: httpx.URL) -> bool:
    proxies = urllib.request.getproxies()
    return bool(proxies.keys() & {url.scheme, "all"}) and not urllib.request.proxy_bypass(url.host)


def _auth(url: str) -> httpx.Auth | None:
    """User and password from ~/.netrc (or the file in NETRC), unless the URL has them or there is no such file."""
    if httpx.URL(url).userinfo:
        return None
    try:
        return httpx.NetRCAuth(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return None


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
        with client.stream(
            "GET", url, headers=dict(conditions), extensions={"origin": url}, auth=_auth(url)
        ) as response:
            arrival = _judge(response)
            if arrival.modified:
                _receive(response, part, max_bytes, progress, checksum)
            return arrival
    except httpx.TimeoutException:
        raise _TransientFailure("did not answer in time or stalled") from None
    except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL, httpx.DecodingError) as error:
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
    if status == 200 and not _says_where_it_ends(response):
        return Arrival(True, None, None)  # possibly truncated: download all of it next time
    return Arrival(status == 200, response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _says_where_it_ends(response: httpx.Response) -> bool:
    """Whether a truncated response is detectable: it has a length or marks its last part."""
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return chunked or "Content-Length" in response.headers or response.http_version == "HTTP/2"


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
        # A checksum covers the published bytes; without one, an unrequested encoding is decoded.
        plain = checksum or response.headers.get("Content-Encoding", "identity") == "identity"
        for block in response.iter_raw(BLOCK) if plain else response.iter_bytes(BLOCK):
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
