"""The cache of versions on this machine, and the last good one under each alias."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, unquote

from wgan.errors import WganError
from wgan.serving.loading import VERIFIED_FILE, Verified, VersionFiles
from wgan.serving.registry import RegistryVersion

VERSION_FILE = "version.json"
KEPT = 3
"""Folders kept besides those an alias points at, newest first, so that a rollback needs no download."""
FOLDER = "model-"
STAGING = ".download-"
DAMAGED = ".damaged-"
ABANDONED_SECONDS = 86_400.0
"""Age from which a temporary folder belongs to a process that was killed."""

log = logging.getLogger("wgan.serving")


@dataclass(frozen=True)
class ModelCache:
    """`<folder>/version-<n>-<id>/` hold the files of one version each, `<alias>.json` names the last good one.

    Unreadable files are moved aside and never an error: the registry has everything.
    """

    folder: Path

    def files(self, version: RegistryVersion) -> VersionFiles:
        """Where a version's files are, or would be."""
        identity = sha256(f"{version.model}\n{version.source}".encode()).hexdigest()[:12]
        return VersionFiles(version, self.folder / f"version-{version.version}-{identity}")

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A temporary folder on the same disk, deleted at the end. Raises `WganError` if the disk is not writable."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = tempfile.TemporaryDirectory(dir=self.folder, prefix=STAGING, ignore_cleanup_errors=True)
        with temporary as name:
            yield Path(name)

    def install(self, version: RegistryVersion, downloaded: Path, verified: Verified) -> VersionFiles:
        """Move a verified download into place atomically; replaces an existing one. Raises `WganError`."""
        final = self.files(version)
        with self._writing():
            _write_json(downloaded / VERSION_FILE, _as_json(version))
            (downloaded / VERIFIED_FILE).write_text(verified.model_dump_json())
            if final.folder.exists():
                shutil.rmtree(final.folder)
            downloaded.rename(final.folder)
        return final

    def note_verified(self, files: VersionFiles, verified: Verified) -> None:
        """Store a version's verification in the cache, if it is writable."""
        with suppress(OSError):
            (files.folder / VERIFIED_FILE).write_text(verified.model_dump_json())

    def set_last_good(self, alias: str, version: RegistryVersion) -> None:
        """Record the version as the last good one under the alias, and remove unneeded versions.

        Raises `WganError` if it cannot be written.
        """
        with self._writing():
            _write_json(self._pointer(alias), {"folder": self.files(version).folder.name})
            self._clean()

    def last_good(self, alias: str) -> RegistryVersion | None:
        """The last good version under the alias; None if there is no readable one on this disk."""
        pointer = self._pointer(alias)
        name = _folder_name(pointer)
        if name is None:
            if pointer.exists():
                self._put_aside(pointer)
            return None
        try:
            values = json.loads((self.folder / name / VERSION_FILE).read_text())
            return RegistryVersion(**{**values, "created": datetime.fromisoformat(values["created"])})
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            self._put_aside(self.folder / name)
            return None

    def _pointer(self, alias: str) -> Path:
        return self.folder / f"{quote(alias, safe='')}.json"

    def _put_aside(self, path: Path) -> None:
        """Rename an unreadable file, so that it is not read again; the next download replaces it."""
        log.warning("damaged local state is put aside", extra={"fields": {"path": str(path)}})
        with suppress(OSError):
            path.rename(path.with_name(f"{DAMAGED}{path.name}-{time.time_ns()}"))

    def _clean(self) -> None:
        wanted = {_folder_name(pointer) for pointer in self.folder.glob("*.json")}
        others = [folder for folder in self.folder.glob("version-*") if folder.name not in wanted]
        abandoned = [
            path
            for kind in (STAGING, DAMAGED)
            for path in self.folder.glob(f"{kind}*")
            if _age(path) > ABANDONED_SECONDS
        ]
        for path in (*sorted(others, key=_age)[KEPT:], *abandoned):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WganError(
                f"the cache folder cannot be written ({error.strerror or error}): free some space, or set "
                "WGAN_CACHE_DIR."
            ) from error


def model_cache(cache: Path, model: str) -> ModelCache:
    """The folder of one model below the cache."""
    return ModelCache(cache / "serving" / f"{FOLDER}{quote(model, safe='')}")


def cached_models(cache: Path, alias: str) -> tuple[str, ...]:
    """Sorted names of the models with a last good version under the alias in the cache."""
    pointers = (cache / "serving").glob(f"{FOLDER}*/{quote(alias, safe='')}.json")
    return tuple(sorted(unquote(pointer.parent.name.removeprefix(FOLDER)) for pointer in pointers))


def _folder_name(pointer: Path) -> str | None:
    """The folder that a pointer names; None if it is unreadable."""
    try:
        name = Path(json.loads(pointer.read_text())["folder"]).name
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return name or None


def _age(path: Path) -> float:
    """Seconds since its last change; a missing file counts as oldest."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


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
