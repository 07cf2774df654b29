"""Temporary folders that do not accumulate: those of killed processes are removed when the next one is created."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "wgan-"
LOCK = ".lock"
LOCKLESS_SECONDS = 3600.0
"""Age after which a folder without a lock was left by a process killed before it created the lock."""


@contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """An empty folder in the system's temporary folder, named after its purpose, for the duration of the block."""
    clear_abandoned()
    outer = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-"))
    try:
        with (outer / f"{LOCK}.new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (outer / f"{LOCK}.new").rename(outer / LOCK)
            folder = outer / "files"
            folder.mkdir()
            yield folder
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def clear_abandoned() -> int:
    """Remove this user's scratch folders whose process has ended; returns how many."""
    found = [folder for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _is_abandoned(folder)]
    for folder in found:
        shutil.rmtree(folder, ignore_errors=True)
    return len(found)


def _is_abandoned(folder: Path) -> bool:
    try:
        status = folder.stat(follow_symlinks=False)
        if status.st_uid != os.getuid() or folder.is_symlink() or not folder.is_dir():
            return False
        if not (folder / LOCK).is_file():
            inside = {path.name for path in folder.iterdir()}
            return inside <= {f"{LOCK}.new"} and time.time() - status.st_mtime > LOCKLESS_SECONDS
        with (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:  # locked, or already gone
        return False
