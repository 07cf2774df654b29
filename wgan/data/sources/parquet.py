"""`parquet`: Parquet files with a column of encoded images, as Hugging Face's `datasets` writes them.

An image is the bytes of a file, or a struct of `bytes` and `path`. Classes are a `ClassLabel`, text or whole numbers.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kinds

from wgan.data.class_labels import WITHOUT_CLASSES, CollectedClasses
from wgan.data.file_kinds import FIRST_BYTES, format_of, what_it_is_instead
from wgan.data.images import MAX_FILE_BYTES
from wgan.data.plugin_formats import plugin_facts
from wgan.data.shard_files import ShardFiles, ShardKind, find_shards
from wgan.data.source import EncodedImage, ImageFiles, Source, content_digest, printable
from wgan.data.sources.folder import LACKING_RANGE
from wgan.download.access import Access
from wgan.errors import DataError

PARQUET = ShardKind("Parquet", (".parquet",), b"PAR1")
LABEL = "label"
IMAGES_AT_A_TIME, LABELS_AT_A_TIME = 32, 10_000
READ_AHEAD = 2**20
"""Bytes read at a time, instead of a whole row group."""


@dataclass(frozen=True)
class Columns:
    """The columns that are read."""

    image: str
    label: str | None
    names: tuple[str, ...] | None
    """Names of the classes, by the numbers in the column."""


def parquet_source(location: str, image: str | None, label: str | None, access: Access) -> Source:
    """Images in Parquet files, identified by the files' contents, or in S3 by names, sizes and ETags.

    `image` and `label` name the columns; by default they are found. Raises `DataError`, `StorageError`.
    """
    shards = find_shards(location, PARQUET, access)

    def open_files(scratch: Path) -> ImageFiles:
        return _opened(shards.fetch(scratch), image, label)

    digest = content_digest(parquet=shards.facts, image_column=image, label_column=label, **plugin_facts())
    return Source(digest, shards.location, None, open_files)


def _opened(found: ShardFiles, image: str | None, label: str | None) -> ImageFiles:
    columns, count = None, 0
    for name, path in found.files:
        with _parquet(name, path) as file:
            here = choose_columns(file.schema_arrow, image, label, name)
            count += file.metadata.num_rows
        columns = columns or here
        if here != columns:
            raise DataError(
                f"{name} has other columns or classes than {found.files[0][0]}: give each its own data set."
            )
    assert columns
    classes, labels = _labels(found, columns)

    def without_range() -> Iterator[EncodedImage]:
        if _first_images_lack_range(found, columns):
            for encoded in _images(found, columns, labels):
                if format_of(_start(encoded)) in LACKING_RANGE:
                    yield encoded

    return ImageFiles(count, classes, _images(found, columns, labels), found.left_out, without_range())


def choose_columns(schema: pa.Schema, image: str | None, label: str | None, where: str) -> Columns:
    """The columns of images and classes. Raises `DataError` naming the columns there are."""
    features = _features(schema)
    candidates = [field.name for field in schema if _holds_images(field.type)]
    declared = [name for name in candidates if features.get(name, {}).get("_type") == "Image"]
    if image is None:
        found = declared or candidates
        if len(found) != 1:
            what = f"several columns of images: set data.image_column to one of {', '.join(found)}"
            raise DataError(f"{where} has {what if found else f'no column of images; it has {_names(schema)}'}.")
        image = found[0]
    elif image not in candidates:
        raise DataError(f"{where} has no column {image!r} of images (data.image_column); it has {_names(schema)}.")
    if label is None:
        typed = [name for name in schema.names if features.get(name, {}).get("_type") == "ClassLabel"]
        named = [LABEL] if LABEL in schema.names and _holds_classes(schema.field(LABEL).type) else []
        label = typed[0] if len(typed) == 1 else next(iter(named), None)
    elif label != WITHOUT_CLASSES and (label not in schema.names or not _holds_classes(schema.field(label).type)):
        raise DataError(
            f"{where} has no column {label!r} of text or whole numbers (data.label_column); it has {_names(schema)}."
        )
    if label == WITHOUT_CLASSES:
        label = None
    names = features.get(label or "", {}).get("names")
    return Columns(image, label, tuple(map(str, names)) if isinstance(names, list) else None)


def _names(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)[:500] or "none"


def _features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Hugging Face's description of the columns; empty if there is none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {str(name): kind for name, kind in features.items() if isinstance(kind, dict)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _holds_images(kind: pa.DataType) -> bool:
    if kinds.is_struct(kind):
        return any(field.name == "bytes" and _is_binary(field.type) for field in kind)
    return _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_binary_view(kind))


def _holds_classes(kind: pa.DataType) -> bool:
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        kinds.is_integer(kind)
        or kinds.is_boolean(kind)
        or kinds.is_string(kind)
        or kinds.is_large_string(kind)
        or kinds.is_string_view(kind)
    )


def _labels(found: ShardFiles, columns: Columns) -> tuple[tuple[str, ...], array[int] | None]:
    if columns.label is None:
        return (), None
    collected = CollectedClasses(f"the column {columns.label!r}")
    for name, path in found.files:
        for value in _values(name, path, columns.label, LABELS_AT_A_TIME):
            collected.add(str(value) if isinstance(value, bool) else value)
    return collected.labels(columns.names)


def _images(found: ShardFiles, columns: Columns, labels: Sequence[int] | None) -> Iterator[EncodedImage]:
    position = 0
    for name, path in found.files:
        for row, value in enumerate(_values(name, path, columns.image, IMAGES_AT_A_TIME)):
            yield _encoded(value, f"{name}:{row}", -1 if labels is None else labels[position])
            position += 1


def _encoded(value: Any, place: str, label: int) -> EncodedImage:
    content, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    name = printable(path if isinstance(path, str) and path else place)
    if content is None:
        return EncodedImage(name, b"", label, refused="its row has no bytes" + (", only a path" if path else ""))
    if len(content) > MAX_FILE_BYTES:
        return EncodedImage(name, b"", label, refused=f"{len(content):,} bytes, more than {MAX_FILE_BYTES:,}")
    return EncodedImage(name, content, label)


def _first_images_lack_range(found: ShardFiles, columns: Columns) -> bool:
    for name, path in found.files:
        for value in islice(_values(name, path, columns.image, IMAGES_AT_A_TIME), IMAGES_AT_A_TIME):
            if format_of(_start(_encoded(value, "", -1))) in LACKING_RANGE:
                return True
    return False


def _start(image: EncodedImage) -> bytes:
    assert isinstance(image.content, bytes)
    return image.content[:FIRST_BYTES]


def _values(name: str, path: Path, column: str, at_a_time: int) -> Iterator[Any]:
    """The values of a column, of which only a few are in memory at a time."""
    with _parquet(name, path) as file:
        for batch in file.iter_batches(at_a_time, columns=[column], use_threads=False):
            yield from batch.column(0).to_pylist()


@contextmanager
def _parquet(name: str, path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, buffer_size=READ_AHEAD, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = _instead(path) or " ".join(str(error).split())[:200].rstrip(".")
        raise DataError(f"{name} cannot be read as a Parquet file ({reason}).") from None


def _instead(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            instead = what_it_is_instead(file.read(FIRST_BYTES))
    except OSError:
        return None
    return f"it is {instead}" if instead else None
