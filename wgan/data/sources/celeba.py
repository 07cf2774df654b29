"""`celeba`: the 202,599 aligned and cropped faces, 178×218 RGB.

They are published on Google Drive only, which torchvision reaches through gdown; a mirror is preferable.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from wgan.data.archives import extract_archive
from wgan.data.source import ImageFiles, Source, content_digest
from wgan.data.sources.folder import image_files, list_images
from wgan.data.sources.mnist import torchvision_datasets
from wgan.download.access import Access
from wgan.download.cache import PublishedFile, download_lock, fetch_published, published_path
from wgan.download.fetch import Checksum, file_matches
from wgan.errors import DataError

COUNT = 202_599


def celeba_source(access: Access) -> Source:
    """CelebA, identified by the published checksum of its archive. Raises `DataError` without torchvision."""
    drive_id, md5, name = torchvision_datasets("celeba").CelebA.file_list[0]
    archive = PublishedFile("celeba", name, (), Checksum("md5", md5))

    def open_celeba(scratch: Path) -> ImageFiles:
        if access.settings.mirror_url:
            path = fetch_published(archive, access)
        else:
            path = _fetch_from_drive(archive, drive_id, access)
        extract_archive(path, scratch, access.settings.download_max_bytes, access.progress)
        return image_files(scratch, list_images(scratch))

    return Source(content_digest(source="celeba", md5=md5), None, COUNT, open_celeba)


def _fetch_from_drive(archive: PublishedFile, drive_id: str, access: Access) -> Path:
    path = published_path(archive, access)
    remedy = (
        f"download {archive.name} in a browser and give data.source=archive, data.location=<its path>, "
        f"data.name=celeba, or set WGAN_MIRROR_URL to a server that has celeba/{archive.name}"
    )
    with download_lock(path):
        if file_matches(path, archive.checksum):
            return path
        if importlib.util.find_spec("gdown") is None:
            raise DataError(f"CelebA is published on Google Drive only, and gdown is not installed: {remedy}.")
        from torchvision.datasets.utils import download_file_from_google_drive

        part = path.with_name(f".{path.name}.part")
        access.progress("download", 0, None)
        try:
            download_file_from_google_drive(drive_id, str(part.parent), part.name, archive.checksum.hex)
        except Exception as error:  # gdown's errors have no common base class
            reason = " ".join(str(error).split())
            raise DataError(f"Google Drive did not give {archive.name} ({reason}): {remedy}.") from None
        else:
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path
