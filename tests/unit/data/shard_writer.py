"""Writes Parquet files and tar shards as Hugging Face's `datasets` and WebDataset do, for tests."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HUGGING_FACE_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(grey: int, format: str = "PNG") -> bytes:
    """A flat picture."""
    saved = io.BytesIO()
    Image.new("L", (16, 16), grey).save(saved, format, **({"lossless": True} if format == "WEBP" else {}))
    return saved.getvalue()


def hugging_face_file(
    path: Path,
    images: Iterable[dict[str, Any] | None],
    labels: Iterable[int] | None = None,
    names: tuple[str, ...] = (),
) -> Path:
    """A column `image`, and a column `digit` of the type ClassLabel, described in the file's metadata."""
    columns: dict[str, pa.Array] = {"image": pa.array(list(images), HUGGING_FACE_IMAGE)}
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    if labels is not None:
        columns["digit"] = pa.array(list(labels), pa.int64())
        features["digit"] = {"names": list(names), "_type": "ClassLabel"}
    described = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns).replace_schema_metadata(described), path, row_group_size=10)
    return path


def shard(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    """A tar of these members, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path
