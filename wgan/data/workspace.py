"""Scratch folders in the cache; those of killed processes are removed by the next one."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wgan.file_lock import exclusive
from wgan.settings import Settings

LOCK_NAME = "in-use"


@contextlib.contextmanager
def workspace(settings: Settings) -> Iterator[Path]:
    """An empty folder on the cache's disk, for the duration of the block."""
    root = settings.cache / "preparing"
    with contextlib.ExitStack() as held:
        with exclusive(root / ".lock"):
            _remove_abandoned(root)
            folder = Path(tempfile.mkdtemp(dir=root))
            held.callback(shutil.rmtree, folder, ignore_errors=True)
            held.enter_context(exclusive(folder / LOCK_NAME))
        contents = folder / "contents"
        contents.mkdir()
        yield contents


def _remove_abandoned(root: Path) -> None:
    for lock in root.glob(f"*/{LOCK_NAME}"):
        with lock.open("r+") as file, contextlib.suppress(BlockingIOError):  # it blocks if its owner is alive
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
