"""The container of a backup: a folder or a `.tar` file, written under a temporary name and renamed at the end."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from wgan.errors import UsageError, WganError

BLOCK_BYTES = 2**20
TAR = ".tar"


class ArchiveWriter:
    """Adds files, from any thread. Only their owner can read them: a backup holds everything, including secrets."""

    def __init__(self, folder: Path, tar: tarfile.TarFile | None) -> None:
        """`folder` holds the files, or, with `tar`, only those being written."""
        self._folder, self._tar = folder, tar
        self._lock = threading.Lock()
        self._names: set[str] = set()

    def scratch(self) -> Path:
        """A path on the same disk for a file to be written and then passed to `add`."""
        return self._folder / f".{uuid.uuid4().hex}"

    def add(self, name: str, file: Path) -> None:
        """Move the scratch file into the archive under the name; an existing name is not replaced."""
        with self._lock:
            if name in self._names:
                file.unlink()
                return
            self._names.add(name)
            file.chmod(0o600)
            if self._tar is not None:
                self._tar.add(file, name)
                file.unlink()
                return
        target = self._folder / name
        for folder in reversed(target.relative_to(self._folder).parents):
            (self._folder / folder).mkdir(mode=0o700, exist_ok=True)
        file.replace(target)

    def take(self, name: str, earlier: Archive) -> None:
        """Add a file of an earlier backup under the same name: as a hard link where possible, else as a copy."""
        file = self.scratch()
        if self._tar is not None or not earlier.link(name, file):
            earlier.extract(name, file)
        self.add(name, file)


@contextmanager
def new_archive(destination: Path) -> Iterator[ArchiveWriter]:
    """Write a new backup: a `.tar` file if the name ends so, else a folder. It appears when the block succeeds.

    Raises `UsageError` if the destination already exists, and `WganError` if writing fails.
    """
    destination = destination.resolve()
    _require_absent(destination)
    partial: Path | None = None
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}.partial-"))
        if destination.suffix == TAR:
            result = partial / destination.name
            result.touch(mode=0o600)
            with tarfile.open(result, "w", format=tarfile.PAX_FORMAT) as tar:
                yield ArchiveWriter(partial, tar)
            with result.open("rb") as file:
                os.fsync(file.fileno())
        else:
            result = partial
            yield ArchiveWriter(partial, None)
            os.sync()
        _require_absent(destination)
        result.rename(destination)
    except OSError as error:
        raise WganError(
            f"the backup cannot be written to {destination} ({error.strerror or error}): free some space, or name "
            "another place."
        ) from None
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


@dataclass(frozen=True)
class Archive:
    """A backup to read from, from any thread."""

    path: Path
    ranges: dict[str, tuple[int, int]] | None = field(repr=False)
    """Offset and length of each file in a `.tar`; None for a folder."""

    def has(self, name: str) -> bool:
        """Whether the archive has the file."""
        return (self.path / name).is_file() if self.ranges is None else name in self.ranges

    def blocks(self, name: str) -> Iterator[bytes]:
        """The file's bytes, block by block."""
        if self.ranges is None:
            with (self.path / name).open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    yield block
            return
        offset, left = self.ranges[name]
        with self.path.open("rb") as file:
            file.seek(offset)
            while left and (block := _read(file, left)):
                left -= len(block)
                yield block

    def link(self, name: str, target: Path) -> bool:
        """Make `target` a hard link to the file; False if that is impossible, as in a `.tar` or on another disk."""
        if self.ranges is not None:
            return False
        try:
            target.hardlink_to(self.path / name)
        except OSError:
            return False
        return True

    def extract(self, name: str, target: Path) -> None:
        """Copy a file out; only its owner can read `target`."""
        target.touch(mode=0o600)
        with target.open("wb") as file:
            file.writelines(self.blocks(name))


def open_archive(path: Path) -> Archive:
    """Open a backup, folder or `.tar`. Raises `UsageError` if there is none."""
    if path.is_dir():
        return Archive(path, None)
    if not path.is_file():
        raise UsageError(f"there is no backup {path}: name a folder or a .tar file that `wgan backup` wrote.")
    try:
        with tarfile.open(path, "r:") as tar:
            return Archive(path, {entry.name: (entry.offset_data, entry.size) for entry in tar if entry.isreg()})
    except (tarfile.TarError, OSError) as error:
        raise UsageError(f"{path} is not a backup, or is incomplete ({error}).") from None


def _read(file: BinaryIO, left: int) -> bytes:
    return file.read(min(BLOCK_BYTES, left))


def _require_absent(destination: Path) -> None:
    if destination.exists() or destination.is_symlink():
        raise UsageError(f"{destination} already exists: name a new folder or .tar file; nothing is overwritten.")
