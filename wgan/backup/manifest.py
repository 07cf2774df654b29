"""A backup's `manifest.json`, written last."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib import metadata
from typing import Literal

from pydantic import Field

from wgan.records import Record
from wgan.settings import Settings

MANIFEST_FILE = "manifest.json"
DIGEST = r"^[0-9a-f]{64}$"
PACKAGES = ("wgan-pipeline", "mlflow", "prefect")


class SavedDatabase(Record):
    """One database, as of one moment."""

    name: Literal["mlflow", "prefect"]
    kind: Literal["sqlite", "postgresql"]
    file: str = Field(
        description="In the backup: an SQLite file, or pg_dump's custom format.", pattern=r"^databases/\w+\.\w+$"
    )
    sha256: str = Field(pattern=DIGEST)
    bytes: int
    time: datetime = Field(description="When the snapshot was taken.")


class SavedObject(Record):
    """One object of the bucket; objects with equal content share a file."""

    key: str
    sha256: str = Field(
        description="Of its bytes; they are in the backup as `objects/<first two digits>/<sha256>`.", pattern=DIGEST
    )
    bytes: int
    etag: str | None = Field(None, description="The store's, when it was listed; None: not noted.")

    @property
    def file(self) -> str:
        """The name of its file in the backup."""
        return object_file(self.sha256)


class BackupManifest(Record):
    """Everything in a backup."""

    format: Literal[1] = 1
    id: str = Field(description="Of this backup.")
    started: datetime
    finished: datetime
    versions: dict[str, str] = Field(description="Of the code that wrote it, by package.")
    layout: dict[str, str] = Field(description="Bucket and key prefixes, which addresses in the databases contain.")
    databases: tuple[SavedDatabase, ...]
    objects: tuple[SavedObject, ...]
    base: str | None = Field(None, description="Id of the earlier backup that unchanged objects were taken from.")
    taken_over: int = Field(0, description="How many they were.")
    replaced: tuple[str, ...] = Field((), description="Old checkpoints that newer ones replaced meanwhile; not saved.")

    @property
    def bytes(self) -> int:
        """Sum over databases and objects."""
        return sum(saved.bytes for saved in self.databases) + sum(saved.bytes for saved in self.objects)


def object_file(sha256: str) -> str:
    """The file in a backup with this SHA-256 (hex)."""
    return f"objects/{sha256[:2]}/{sha256}"


def layout_of(settings: Settings) -> dict[str, str]:
    """The settings for the bucket and its prefixes, by the names of their variables."""
    names = ["bucket", *sorted(name for name in type(settings).model_fields if name.endswith("_prefix"))]
    return {f"WGAN_{name.upper()}": str(getattr(settings, name)) for name in names}


def versions_here() -> dict[str, str]:
    """Versions of the programs that write or read the databases."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}
