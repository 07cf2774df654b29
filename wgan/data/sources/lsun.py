"""`lsun`: the training images of one scene class; `data.location` is the class, for example bedroom.

They are published as a zipped LMDB of WebP files. Not through torchvision: it keeps its list of keys as pickle.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wgan.data.archives import extract_archive
from wgan.data.source import EncodedImage, ImageFiles, Source, content_digest
from wgan.download.access import Access
from wgan.download.cache import PublishedFile, fetch_published
from wgan.download.fetch import Checksum
from wgan.errors import DataError, UsageError

PUBLISHED = "http://dl.yf.io/lsun/scenes/"
SHA256 = {  # as listed by TensorFlow Datasets (url_checksums/lsun.txt)
    "bedroom": "a15644c2e7153106867f0adb3491fc41224102d1f01b24494fb47d9f5d1f174e",
    "bridge": "2701b2d421bbc4d8a5e9b0652ff7c3b57cd6495da8e0e85c39533275b5a925a3",
    "church_outdoor": "91128ae026840ac0c5982b4445ab5fc4e092d6847cca76793b2b1a0815c2e74a",
    "classroom": "73a8a3e318819e1cc602f229673c3f51a68f3ece61e3764ce22df6abea4d0873",
    "conference_room": "fa0a4cf72e7acfb103392eaf33640d5508a728e971f31877b01d64e1bde6068c",
    "dining_room": "e4ee24c7c309360c3bf019123ce5bbf17434b2ba33abec2b0b07cfae715a52cb",
    "kitchen": "b1993cf639aece5d207a27eb9ff872bcca9dff6472d8227a052c79d40ee753c4",
    "living_room": "bd2c52b812c80f73ce3062a221396d13a52b5cce2f813b4cdf61937651281d7a",
    "restaurant": "11a0a924b960cd0900e9b7477d684fb338bd99cc5f72db1caac592e4f497e09a",
    "tower": "440caec74c9641cb51fd235a5970c8e4931c3af875aeb044a8bcca956e106309",
}


def lsun_source(scene: str, access: Access) -> Source:
    """One class of LSUN, identified by the checksum of its archive. Raises `UsageError` naming the classes."""
    if scene not in SHA256:
        raise UsageError(f"data.location={scene!r} is not a class of LSUN: choose one of {', '.join(SHA256)}.")
    archive_name = f"{scene}_train_lmdb.zip"
    checksum = Checksum("sha256", SHA256[scene])
    archive = PublishedFile("lsun", archive_name, (PUBLISHED + archive_name,), checksum)

    def open_scene(scratch: Path) -> ImageFiles:
        extract_archive(fetch_published(archive, access), scratch, access.settings.download_max_bytes, access.progress)
        return _read_lmdb(scratch, archive_name)

    return Source(content_digest(source="lsun", sha256=checksum.hex), scene, None, open_scene)


def _read_lmdb(scratch: Path, archive_name: str) -> ImageFiles:
    try:
        import lmdb
    except ImportError:
        raise DataError("data.source=lsun needs lmdb: pip install 'wgan-pipeline[train]'.") from None
    folder = next((file.parent for file in scratch.rglob("data.mdb")), None)
    if folder is None:
        raise DataError(f"{archive_name} holds no LMDB (data.mdb).")

    def images() -> Iterator[EncodedImage]:
        found = 0
        try:
            with database, database.begin() as transaction:
                for key, value in transaction.cursor():
                    found += 1
                    yield EncodedImage(key.decode("utf-8", "backslashreplace"), value)
        except lmdb.Error as error:
            raise DataError(f"the LMDB in {archive_name} cannot be read ({error}).") from None
        if found != count:
            raise DataError(f"the LMDB in {archive_name} holds {found:,} of the {count:,} images that it counts.")

    try:
        database = lmdb.open(str(folder), readonly=True, lock=False, readahead=True, create=False)
        count, pages = database.stat()["entries"], database.info()["last_pgno"] + 1
        if pages * database.stat()["psize"] > (folder / "data.mdb").stat().st_size:  # reading it would kill us
            raise DataError(f"the LMDB in {archive_name} is truncated.")
    except lmdb.Error as error:
        raise DataError(f"the LMDB in {archive_name} cannot be read ({error}).") from None
    return ImageFiles(count, (), images())
