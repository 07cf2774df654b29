"""`archive`: a zip or tar file at a path or an http(s) address; its content follows the rules of a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wgan.data.archives import extract_archive
from wgan.data.local_location import existing_file
from wgan.data.plugin_formats import plugin_facts
from wgan.data.source import ImageFiles, Source, content_digest
from wgan.data.sources.folder import image_files, list_images
from wgan.download.access import Access
from wgan.download.cache import fetch_url
from wgan.download.fetch import public_url
from wgan.errors import DataError
from wgan.file_digest import file_sha256
from wgan.records import FileCount


def archive_source(location: str, max_images: int | None, access: Access) -> Source:
    """An archive of images, identified by the SHA-256 of its bytes. Raises `DataError`."""
    if "://" in location:
        path, sha256 = fetch_url(location, access)
        shown = public_url(location)
    else:
        path = existing_file(location)
        sha256, shown = file_sha256(path), str(path.resolve())

    def open_archive(scratch: Path) -> ImageFiles:
        ignored = extract_archive(path, scratch, access.settings.download_max_bytes, access.progress)
        try:
            listing = list_images(scratch, max_images)
        except DataError as error:
            raise DataError(str(error).replace(str(scratch), shown)) from None
        if ignored:
            after = FileCount(reason=f"{ignored:,} bytes after the end of the archive", count=1, examples=(path.name,))
            listing = replace(listing, left_out=(*listing.left_out, after))
        return image_files(scratch, listing)

    return Source(content_digest(archive=sha256, **plugin_facts()), shown, None, open_archive)
