"""The versions in this machine's cache, and which of them was the last good one under an alias."""

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
"""Folders kept beside those an alias points at, newest first: a rollback then needs no download."""
FOLDER = "model-"
STAGING = ".download-"
DAMAGED = ".damaged-"
ABANDONED_SECONDS = 86_400.0
"""Age from which a temporary folder belongs to a process that was killed."""

log = logging.getLogger("wgan.serving")


@dataclass(frozen=True)
class ModelCache:
    """`<folder>/version-<n>-<id>/` hold the files of one version each, `<alias>.json` name the last good one.

    Whatever cannot be read is put aside, never an error: the registry has it all.
    """

    folder: Path

    def files(self, version: RegistryVersion) -> VersionFiles:
        """Where a version's files are, or would be."""
        identity = sha256(f"{version.model}\n{version.source}".encode()).hexdigest()[:12]
        return VersionFiles(version, self.folder / f"version-{version.version}-{identity}")

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A temporary folder on the same disk, gone at the end. Raises `WganError` when nothing can be written."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = tempfile.TemporaryDirectory(dir=self.folder, prefix=STAGING, ignore_cleanup_errors=True)
        with temporary as name:
            yield Path(name)

    def install(self, version: RegistryVersion, downloaded: Path, verified: Verified) -> VersionFiles:
        """Move a verified download to its place, whole or not at all; replaces what was there. Raises `WganError`."""
        final = self.files(version)
        with self._writing():
            _write_json(downloaded / VERSION_FILE, _as_json(version))
            (downloaded / VERIFIED_FILE).write_text(verified.model_dump_json())
            if final.folder.exists():
                shutil.rmtree(final.folder)
            downloaded.rename(final.folder)
        return final

    def note_verified(self, files: VersionFiles, verified: Verified) -> None:
        """Keep what was found out of a version in the cache, where that can be written."""
        with suppress(OSError):
            (files.folder / VERIFIED_FILE).write_text(verified.model_dump_json())

    def set_last_good(self, alias: str, version: RegistryVersion) -> None:
        """Note the version as the last good one under the alias, and remove versions nobody needs.

        Raises `WganError` when that cannot be written.
        """
        with self._writing():
            _write_json(self._pointer(alias), {"folder": self.files(version).folder.name})
            self._clean()

    def last_good(self, alias: str) -> RegistryVersion | None:
        """The last good version under the alias; None when there is none on this disk that can be read."""
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
        """Rename what cannot be read, so that it is not met again; the next download makes it anew."""
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
                f"the cache folder cannot be written ({error.strerror or error}): make room, or set WGAN_CACHE_DIR."
            ) from error


def model_cache(cache: Path, model: str) -> ModelCache:
    """The folder of one model below the cache."""
    return ModelCache(cache / "serving" / f"{FOLDER}{quote(model, safe='')}")


def cached_models(cache: Path, alias: str) -> tuple[str, ...]:
    """Names, in order, of the models of which a last good version under the alias is noted in the cache."""
    pointers = (cache / "serving").glob(f"{FOLDER}*/{quote(alias, safe='')}.json")
    return tuple(sorted(unquote(pointer.parent.name.removeprefix(FOLDER)) for pointer in pointers))


def _folder_name(pointer: Path) -> str | None:
    """The folder that a pointer names; None when it cannot be read."""
    try:
        name = Path(json.loads(pointer.read_text())["folder"]).name
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return name or None


def _age(path: Path) -> float:
    """Seconds since it was changed; what is gone already is oldest."""
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
