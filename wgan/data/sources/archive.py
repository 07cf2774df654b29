"""`archive`: a zip or tar file at a path or an http(s) address; inside, the rules of a folder."""

from __future__ import annotations

from pathlib import Path

from wgan.data.archives import extract_archive
from wgan.data.source import ImageFiles, Source, content_digest
from wgan.data.sources.folder import image_files, image_names
from wgan.download.access import Access
from wgan.download.cache import fetch_url
from wgan.download.fetch import public_url
from wgan.errors import DataError
from wgan.storage import file_sha256


def archive_source(location: str, access: Access) -> Source:
    """An archive of images, identified by the SHA-256 of its bytes. Raises `DataError`."""
    if "://" in location:
        if not location.startswith(("http://", "https://")):
            raise DataError(f"data.location={public_url(location)} is neither a path nor an http or https address.")
        path, sha256 = fetch_url(location, access)
        shown = public_url(location)
    else:
        path = Path(location).expanduser()
        if not path.is_file():
            raise DataError(f"data.location={location!r} is not a file.")
        sha256, shown = file_sha256(path), str(path.resolve())

    def open_archive(scratch: Path) -> ImageFiles:
        extract_archive(path, scratch, access.settings.download_max_bytes, access.progress)
        return image_files(scratch, image_names(scratch))

    return Source(content_digest(archive=sha256), shown, None, open_archive)
