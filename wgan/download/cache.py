"""Caches downloads: a published file while its checksum matches, a file at a URL while it is current."""

from __future__ import annotations

import hashlib
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from wgan.download.access import Access
from wgan.download.fetch import Checksum, download, file_matches
from wgan.file_digest import file_sha256
from wgan.file_lock import exclusive


@dataclass(frozen=True)
class PublishedFile:
    """A file whose content is known in advance."""

    source: str
    """Its folder on a mirror."""
    name: str
    urls: tuple[str, ...]
    """Published addresses, tried in order."""
    checksum: Checksum


class _Validators(BaseModel):
    """The server's validators for the cached copy, and the copy's digest."""

    model_config = ConfigDict(frozen=True)

    etag: str | None
    last_modified: str | None
    sha256: str


def fetch_published(file: PublishedFile, access: Access) -> Path:
    """The local copy of a published file, downloaded from the configured mirror or else from its publisher.

    Raises `DataError` naming the URL and the setting that changes it.
    """
    path = published_path(file, access)
    mirror = access.settings.mirror_url
    urls = (f"{mirror.rstrip('/')}/{file.source}/{file.name}",) if mirror else file.urls
    with download_lock(path):
        if not file_matches(path, file.checksum):
            download(
                urls,
                path,
                max_bytes=access.settings.download_max_bytes,
                retries=access.retries,
                progress=access.progress,
                remedy=f"set WGAN_MIRROR_URL to a server that has {file.source}/{file.name}",
                checksum=file.checksum,
            )
    return path


def published_path(file: PublishedFile, access: Access) -> Path:
    """The cached path of a published file."""
    return access.settings.cache / "downloads" / file.source / file.name


def download_lock(path: Path) -> AbstractContextManager[None]:
    """Held while a downloaded file is checked or replaced; a second process waits, then finds the file."""
    return exclusive(path.with_name(f".{path.name}.lock"))


def fetch_url(url: str, access: Access) -> tuple[Path, str]:
    """The local copy of the current file at a URL, and its SHA-256; downloaded only if the server reports a change.

    Without ETag or Last-Modified from the server, the whole file is downloaded each time. Raises `DataError`.
    """
    folder = access.settings.cache / "downloads" / "urls" / hashlib.sha256(url.encode()).hexdigest()[:32]
    name = urlsplit(url).path.rpartition("/")[2]
    path = folder / (name if re.fullmatch(r"\w[\w.-]*", name) else "content")
    notes = folder / ".validators.json"
    with download_lock(path):
        kept = _kept(path, notes)
        arrival = download(
            [url],
            path,
            max_bytes=access.settings.download_max_bytes,
            retries=access.retries,
            progress=access.progress,
            remedy="check data.location, or download the file yourself and give its path",
            conditions=_conditions(kept),
        )
        if kept and not arrival.modified:
            return path, kept.sha256
        sha256 = file_sha256(path)
        fresh = _Validators(etag=arrival.etag, last_modified=arrival.last_modified, sha256=sha256)
        notes.write_text(fresh.model_dump_json())
        return path, sha256


def _kept(path: Path, notes: Path) -> _Validators | None:
    """The validators of an intact copy, else None."""
    try:
        kept = _Validators.model_validate_json(notes.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return kept if file_matches(path, Checksum("sha256", kept.sha256)) else None


def _conditions(kept: _Validators | None) -> dict[str, str]:
    if kept and kept.etag:
        return {"If-None-Match": kept.etag}
    if kept and kept.last_modified:
        return {"If-Modified-Since": kept.last_modified}
    return {}
