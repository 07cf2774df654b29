"""The manifest of a prepared data set. It is written last, so a data set exists if its manifest does.

Keys: `<datasets prefix>/<name>/<digest>/` + `manifest.json`, `images-00000.npy` …, `labels.npy`, `held-out.npy`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wgan.config import Crop
from wgan.errors import DataError, ObjectMissing
from wgan.records import DatasetRef, FileCount
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.signing import is_signed, signature

MANIFEST_NAME = "manifest.json"
LABELS_NAME = "labels.npy"
HELD_OUT_NAME = "held-out.npy"
ORIGINS_NAME = "origins.csv"
DIGEST = re.compile(r"[0-9a-f]{64}")
"""Pattern of a prepared data set's folder."""
OBJECT_NAME = re.compile(r"images-\d{5,}\.npy|labels\.npy|held-out\.npy|origins\.csv")
MOST_REASONS = 10
NAMED_EXAMPLES = 3


class DatasetDamaged(DataError):
    """An object of a prepared data set is missing, or its bytes are not the ones that were written."""


class Entry(BaseModel):
    """A frozen record, read and written as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Shard(Entry):
    """One `.npy` file of images, uint8, shape (count, channels, image_size, image_size)."""

    key: str = Field(description="Key in the bucket.")
    sha256: str = Field(description="SHA-256 of the file's bytes.")
    count: int = Field(ge=1, description="Images.")


class Labels(Entry):
    """One `.npy` file of class indices, int64, shape (count,)."""

    key: str
    sha256: str


class HeldOut(Entry):
    """One `.npy` file of the positions of the held-out images, int64, ascending."""

    key: str
    sha256: str
    count: int = Field(ge=1, description="Positions.")


class OriginsFile(Entry):
    """One `.csv` file of the images' own formats and sizes; see `wgan.data.origins`."""

    key: str
    sha256: str


StoredFile = Shard | Labels | HeldOut | OriginsFile


class BadFile(Entry):
    """A file that was skipped."""

    name: str
    reason: str


class Manifest(Entry):
    """A prepared data set."""

    format_version: int = Field(description="Version of the code that shapes the pixels.")
    name: str = Field(description="Name in storage.")
    digest: str = Field(description="SHA-256 over the source's digest and everything that shapes the pixels.")
    source: str = Field(description="`data.source` of the configuration.")
    location: str | None = Field(description="Where the images came from, without credentials.")
    source_digest: str = Field(description="SHA-256 that identifies the source's content.")
    decoder: str = Field(description="Library and version that decoded and resized the images.")
    image_size: int = Field(ge=1, description="Height and width, pixels.")
    channels: int = Field(ge=1)
    crop: Crop = Field(
        "centre", exclude_if=lambda crop: crop == "centre", description="How images became square: `data.crop`."
    )
    count: int = Field(ge=1, description="Images in all shards.")
    classes: tuple[str, ...] = Field(description="Class names by label; empty where the data has no labels.")
    shards: tuple[Shard, ...]
    labels: Labels | None
    held_out: HeldOut | None
    origins: OriginsFile | None = Field(
        None,
        exclude_if=lambda file: file is None,
        description="None for arrays, and in data sets from before it was kept.",
    )
    bad_files: tuple[BadFile, ...] = Field(description="Files that did not decode, each with the reason.")
    left_out: tuple[FileCount, ...] = Field((), description="What else was found beside the images, by reason.")
    copies: tuple[FileCount, ...] = Field(
        (), exclude_if=lambda counts: not counts, description="Copies left out by data.deduplicate, exact and near."
    )
    remarks: tuple[FileCount, ...] = Field((), description="Images with a remark on how they were read.")

    def to_bytes(self) -> bytes:
        """The manifest as stored: equal manifests give equal bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True).encode()

    @property
    def objects(self) -> tuple[StoredFile, ...]:
        """Everything the manifest names: the shards, the labels, the held-out positions, the images' origins."""
        return (*self.training_objects, *([self.origins] if self.origins else []))

    @property
    def training_objects(self) -> tuple[StoredFile, ...]:
        """What a training reads: the shards, the labels, the held-out positions."""
        return (*self.shards, *(entry for entry in (self.labels, self.held_out) if entry))


def dataset_prefix(settings: Settings, name: str, digest: str) -> str:
    """Key prefix of one data set, with a slash at the end."""
    return f"{settings.datasets_prefix}/{name}/{digest}/"


def parse_manifest(content: bytes, uri: str) -> Manifest:
    """Parse a manifest. Raises `DatasetDamaged` naming `uri` if it is invalid."""
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise DatasetDamaged(f"the manifest {uri} is damaged ({where}: {first['msg']}).") from None
    held_out = manifest.held_out.count if manifest.held_out else 0
    if (
        f"/{manifest.name}/{manifest.digest}/" not in uri
        or sum(shard.count for shard in manifest.shards) != manifest.count
        or held_out >= manifest.count
    ):
        raise DatasetDamaged(f"the manifest {uri} is damaged: its name, digest or counts contradict each other.")
    prefix = uri.removesuffix(MANIFEST_NAME).partition("://")[2].partition("/")[2]
    for entry in manifest.objects:
        if not (entry.key.startswith(prefix) and OBJECT_NAME.fullmatch(entry.key.removeprefix(prefix))):
            raise DatasetDamaged(
                f"the manifest {uri} is damaged: {entry.key[:100]!r} is not an object of the data set."
            )
    return manifest


def find_manifest(storage: Storage, prefix: str) -> tuple[Manifest, DatasetRef] | None:
    """The manifest under a data set's prefix, or None. Raises `DatasetDamaged`."""
    key = prefix + MANIFEST_NAME
    try:
        content = storage.get_bytes(key)
    except ObjectMissing:
        return None
    manifest = parse_manifest(content, storage.uri(key))
    return manifest, reference(manifest, storage.uri(key), content)


def signature_key(prefix: str) -> str:
    """Key of the signature of the manifest under a data set's prefix."""
    return f"{prefix}{MANIFEST_NAME}.hmac"


def sign_manifest(content: bytes, settings: Settings, storage: Storage, prefix: str) -> None:
    """Store the signature beside the manifest; call it first, so that no manifest is ever unsigned."""
    if signed := signature(prefix.removeprefix(settings.datasets_prefix), content, settings):
        storage.put_bytes(signature_key(prefix), signed.encode(), "text/plain")


def find_own_manifest(settings: Settings, storage: Storage, prefix: str) -> tuple[Manifest, DatasetRef] | None:
    """The manifest under a data set's prefix, or None. No record pins it, so it must have this pipeline's signature.

    Raises `DatasetDamaged`, also if the signature is missing or wrong.
    """
    key = prefix + MANIFEST_NAME
    try:
        content = storage.get_bytes(key)
    except ObjectMissing:
        return None
    try:
        signed = storage.get_bytes(signature_key(prefix))
    except ObjectMissing:
        signed = b""
    if not is_signed(prefix.removeprefix(settings.datasets_prefix), content, signed, settings):
        raise DatasetDamaged(f"the manifest {storage.uri(key)} is not signed with WGAN_SIGNING_KEY.")
    manifest = parse_manifest(content, storage.uri(key))
    return manifest, reference(manifest, storage.uri(key), content)


def reference(manifest: Manifest, uri: str, content: bytes) -> DatasetRef:
    """The record that travels between tasks, from a manifest, its address and its bytes."""
    held_out_count = manifest.held_out.count if manifest.held_out else 0
    return DatasetRef(
        name=manifest.name,
        source=manifest.source,
        digest=manifest.digest,
        uri=uri,
        manifest_sha256=hashlib.sha256(content).hexdigest(),
        count=manifest.count - held_out_count,
        held_out_count=held_out_count,
        bad_count=len(manifest.bad_files),
        image_size=manifest.image_size,
        channels=manifest.channels,
        classes=manifest.classes,
        left_out=(*manifest.left_out, *manifest.copies, *bad_by_reason(manifest.bad_files)),
        remarks=manifest.remarks,
    )


def bad_by_reason(files: Sequence[BadFile]) -> tuple[FileCount, ...]:
    """The files that did not decode, counted by reason, ignoring numbers in it; most frequent first."""
    names: dict[str, list[str]] = {}
    for file in files:
        names.setdefault(re.sub(r"\d[\d,.]*", "…", file.reason), []).append(file.name)
    order = sorted(names.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    rest = [name for _, some in order[MOST_REASONS:] for name in some]
    groups = [*order[:MOST_REASONS], *([("other reasons", rest)] if rest else [])]
    return tuple(
        FileCount(reason=reason, count=len(some), examples=tuple(some[:NAMED_EXAMPLES])) for reason, some in groups
    )


def list_datasets(storage: Storage, settings: Settings) -> list[DatasetRef]:
    """All prepared data sets of the bucket, by name and digest. Raises `DatasetDamaged` naming a damaged manifest."""
    prefix = f"{settings.datasets_prefix}/"
    manifests = [entry.key for entry in storage.list(prefix) if entry.key.endswith(f"/{MANIFEST_NAME}")]
    found = [find_manifest(storage, key.removesuffix(MANIFEST_NAME)) for key in manifests]
    return sorted((entry[1] for entry in found if entry), key=lambda ref: (ref.name, ref.digest))
