"""The versions on this machine's disk, and which of them was the last good one under an alias."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from wgan.errors import WganError
from wgan.serving.registry import RegistryVersion

VERSION_FILE = "version.json"
KEPT = 3
"""Folders kept beside those an alias points at, newest first: a rollback then needs no download."""


@dataclass(frozen=True)
class ModelCache:
    """`<folder>/version-<n>-<id>/` hold the files of one version each, `<alias>.json` name the last good one."""

    folder: Path

    def of(self, version: RegistryVersion) -> Path:
        """Where a version's files are, or would be."""
        identity = sha256(f"{version.model}\n{version.source}".encode()).hexdigest()[:12]
        return self.folder / f"version-{version.version}-{identity}"

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A temporary folder on the same disk, gone at the end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".download-", ignore_cleanup_errors=True) as name:
            yield Path(name)

    def install(self, version: RegistryVersion, downloaded: Path) -> Path:
        """Move a proved download to its place, whole or not at all; replaces what was there."""
        final = self.of(version)
        _write_json(downloaded / VERSION_FILE, _as_json(version))
        if final.exists():
            shutil.rmtree(final)
        downloaded.rename(final)
        return final

    def set_last_good(self, alias: str, version: RegistryVersion) -> None:
        """Note the version as the last good one under the alias, and remove versions nobody needs."""
        _write_json(self._pointer(alias), {"folder": self.of(version).name})
        self._clean()

    def last_good(self, alias: str) -> RegistryVersion | None:
        """The last good version under the alias; None when there is none on this disk."""
        try:
            folder = self.folder / Path(json.loads(self._pointer(alias).read_text())["folder"]).name
            values = json.loads((folder / VERSION_FILE).read_text())
            return RegistryVersion(**{**values, "created": datetime.fromisoformat(values["created"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WganError(f"the last good version in {self.folder} cannot be read: {error}.") from None

    def _pointer(self, alias: str) -> Path:
        return self.folder / f"{quote(alias, safe='')}.json"

    def _clean(self) -> None:
        wanted = {json.loads(pointer.read_text())["folder"] for pointer in self.folder.glob("*.json")}
        others = [folder for folder in self.folder.glob("version-*") if folder.name not in wanted]
        for folder in sorted(others, key=lambda folder: folder.stat().st_mtime, reverse=True)[KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)


def model_cache(cache: Path, model: str) -> ModelCache:
    """The folder of one model below the cache."""
    return ModelCache(cache / "serving" / f"model-{quote(model, safe='')}")


def _as_json(version: RegistryVersion) -> dict[str, object]:
    return {**version.__dict__, "created": version.created.isoformat()}


def _write_json(path: Path, value: object) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
