"""`webdataset`: tar shards of samples; the files of a sample follow each other and have the name before the first dot.

A sample is an image (`.jpg`, `.png`, `.webp`, …) and perhaps its class: the text of a `.cls` file, or a key of its
`.json`. Shards may be compressed.
"""

from __future__ import annotations

import json
import re
import tarfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wgan.data.archives import archive_errors, open_tar
from wgan.data.class_labels import WITHOUT_CLASSES, CollectedClasses
from wgan.data.file_kinds import FIRST_BYTES, IMAGE_EXTENSIONS, format_of
from wgan.data.images import MAX_FILE_BYTES
from wgan.data.local_files import HIDDEN, is_hidden
from wgan.data.plugin_formats import plugin_facts
from wgan.data.shard_files import ShardFiles, ShardKind, find_shards
from wgan.data.source import CountedFiles, EncodedImage, ImageFiles, Source, content_digest, printable
from wgan.data.sources.folder import LACKING_RANGE, require_images
from wgan.data.tar_archive import TarReader
from wgan.download.access import Access
from wgan.errors import DataError

TARS = ShardKind("tar", (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"))
IMAGE_ENDINGS = IMAGE_EXTENSIONS | {".heic", ".heif", ".jxl"}
MEMBER = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)
"""Key and ending of a sample's file."""
CLASS_KEYS = ("label", "cls", "class")
"""Keys in the `.json` that give the class, the first one that is there."""
LONGEST_DESCRIPTION = 2**20
WITHOUT_IMAGE = "a sample without an image"
NO_SAMPLE = "not the file of a sample"
FURTHER_IMAGE = "a further image of a sample"


@dataclass
class Sample:
    """The files of a sample, as far as they are read."""

    key: str
    image: EncodedImage | None = None
    ending: str = ""
    label: str | int | None = None


def webdataset_source(location: str, label: str | None, access: Access) -> Source:
    """Images in tar shards, identified by the shards' contents, or in S3 by names, sizes and ETags.

    `label` is the key of the class in the `.json` of a sample; `none`: no classes. Raises `DataError`, `StorageError`.
    """
    shards = find_shards(location, TARS, access)

    def open_shards(scratch: Path) -> ImageFiles:
        return _opened(shards.fetch(scratch), label, shards.location, access.settings.download_max_bytes)

    return Source(
        content_digest(webdataset=shards.facts, label_column=label, **plugin_facts()),
        shards.location,
        None,
        open_shards,
    )


def _opened(found: ShardFiles, label: str | None, where: str, max_bytes: int) -> ImageFiles:
    left_out, collected = CountedFiles(), CollectedClasses("the class of the samples")
    lacking = False
    for sample in _samples(found, label, max_bytes, FIRST_BYTES, left_out):
        assert sample.image
        assert isinstance(sample.image.content, bytes)
        collected.add(sample.label)
        lacking = lacking or format_of(sample.image.content) in LACKING_RANGE
    require_images(range(len(collected)), left_out, where)
    classes, labels = collected.labels()

    def without_range() -> Iterator[EncodedImage]:
        for encoded in _images(found, labels, max_bytes) if lacking else ():
            assert isinstance(encoded.content, bytes)
            if format_of(encoded.content[:FIRST_BYTES]) in LACKING_RANGE:
                yield encoded

    images = _images(found, labels, max_bytes)
    return ImageFiles(len(labels), classes, images, (*found.left_out, *left_out.counts()), without_range())


def _images(found: ShardFiles, labels: array[int], max_bytes: int) -> Iterator[EncodedImage]:
    samples = _samples(found, WITHOUT_CLASSES, max_bytes, MAX_FILE_BYTES, CountedFiles())
    for sample, label in zip(samples, labels, strict=True):
        assert sample.image
        yield EncodedImage(sample.image.name, sample.image.content, label, refused=sample.image.refused)


def _samples(
    found: ShardFiles, label: str | None, max_bytes: int, image_bytes: int, left_out: CountedFiles
) -> Iterator[Sample]:
    """The samples that have an image, with at most `image_bytes` of it."""
    for name, path in found.files:
        with archive_errors(Path(name)), path.open("rb") as file:
            reader = open_tar(Path(name), file, max_bytes)
            sample = Sample("")
            for member in reader.members():
                if (parts := _parts(member, left_out)) is None:
                    continue
                key, ending = parts
                if key != sample.key:
                    yield from _whole(sample, left_out)
                    sample = Sample(key)
                _add(sample, ending, member, reader, label, image_bytes, left_out)
            yield from _whole(sample, left_out)


def _parts(member: tarfile.TarInfo, left_out: CountedFiles) -> tuple[str, str] | None:
    """Key and ending of a member; None if it belongs to no sample."""
    if any(is_hidden(part) for part in PurePosixPath(member.name).parts):
        if not member.isdir():
            left_out.add(HIDDEN, member.name)
    elif match := MEMBER.fullmatch(member.name) if member.isreg() else None:
        return match[1], match[2].lower()
    elif not member.isdir():
        left_out.add(NO_SAMPLE, member.name)
    return None


def _whole(sample: Sample, left_out: CountedFiles) -> Iterator[Sample]:
    if sample.image:
        yield sample
    elif sample.key:
        left_out.add(WITHOUT_IMAGE, sample.key)


def _add(
    sample: Sample,
    ending: str,
    member: tarfile.TarInfo,
    reader: TarReader,
    label: str | None,
    image_bytes: int,
    left_out: CountedFiles,
) -> None:
    if f".{ending.rpartition('.')[2]}" in IMAGE_ENDINGS:
        if sample.image and (ending == sample.ending or ending.count(".") >= sample.ending.count(".")):
            left_out.add(FURTHER_IMAGE, member.name)
            return
        if sample.image:  # `a.mask.png`, and now `a.png`
            left_out.add(FURTHER_IMAGE, sample.image.name)
        sample.image, sample.ending = _read_image(member, reader, image_bytes), ending
    elif label != WITHOUT_CLASSES and ending in ("cls", "json") and member.size <= LONGEST_DESCRIPTION:
        content = b"".join(reader.read(member))
        if ending == "cls" and label is None:
            sample.label = content.decode("utf-8", "backslashreplace").strip()
        elif ending == "json" and sample.label is None:
            sample.label = _class_in(content, label, member.name)


def _read_image(member: tarfile.TarInfo, reader: TarReader, most: int) -> EncodedImage:
    name = printable(member.name)
    if member.size > MAX_FILE_BYTES:
        return EncodedImage(name, b"", refused=f"{member.size:,} bytes, more than {MAX_FILE_BYTES:,}")
    content = bytearray()
    for block in reader.read(member):
        content += block
        if len(content) >= most:
            break
    return EncodedImage(name, bytes(content[:most]))


def _class_in(content: bytes, label: str | None, name: str) -> str | int | None:
    """The class in a sample's description; None if it gives none. Raises `DataError` for a damaged one."""
    try:
        described = json.loads(content)
    except (ValueError, RecursionError):
        raise DataError(f"the description {name!r} of a sample is not JSON.") from None
    if not isinstance(described, dict):
        return None
    keys = CLASS_KEYS if label is None else (label,)
    value = next((described[key] for key in keys if key in described), None)
    if isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str | int) else None
