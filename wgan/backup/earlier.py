"""Takes unchanged objects from an earlier backup instead of the store: those whose key and ETag are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from wgan.backup.archive import Archive, ArchiveWriter, open_archive
from wgan.backup.manifest import SavedObject
from wgan.backup.verify import read_manifest
from wgan.storage import Storage


@dataclass(frozen=True)
class EarlierBackup:
    """An earlier backup, or none, and the ETags of the objects that the store lists now."""

    archive: Archive | None = None
    id: str | None = None
    saved: Mapping[str, SavedObject] = field(default_factory=dict, repr=False)
    etags: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def at(cls, path: Path | None) -> Self:
        """The backup at the path; none without a path. Raises `UsageError` if there is no whole backup."""
        if path is None:
            return cls()
        archive = open_archive(path)
        manifest = read_manifest(archive)
        return cls(archive, manifest.id, {found.key: found for found in manifest.objects})

    def list(self, storage: Storage, prefix: str) -> list[str]:
        """The keys below the prefix; their ETags are noted."""
        keys = []
        for entry in storage.list(prefix):
            self.etags[entry.key] = entry.etag
            keys.append(entry.key)
        return keys

    def take(self, key: str, target: ArchiveWriter) -> SavedObject | None:
        """Put the object into the new backup without reading the store; None unless the earlier one has the same."""
        found, etag = self.saved.get(key), self.etags.get(key)
        if self.archive is None or found is None or etag is None or found.etag != etag:
            return None
        if not self.archive.has(found.file):
            return None
        target.take(found.file, self.archive)
        return found
