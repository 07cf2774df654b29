"""Lists the regular files below a folder, without leaving it: links that lead out, pipes and devices are counted."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from wgan.data.source import CountedFiles
from wgan.errors import DataError

LINK_OUT = "a link that leads out of the folder"
LINK_TO_NOTHING = "a link to nothing"
SPECIAL = "a pipe, a socket or a device"
HIDDEN = "hidden"
SYSTEM_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")
"""Folders that macOS, Synology, Windows and Linux add, the second of thumbnails."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden: `.name`, or a system's own folder."""
    return name.startswith(".") or name in SYSTEM_FOLDERS


def files_below(folder: Path, left_out: CountedFiles) -> Iterator[str]:
    """Relative names of the candidate files. Links to folders inside are followed, each folder once."""
    root = os.path.realpath(folder)
    pending, seen = [""], {root}
    while pending:
        prefix = pending.pop()
        try:
            entries = sorted(os.scandir(folder / prefix), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"{folder / prefix} cannot be listed: {error.strerror}.") from None
        for entry in entries:
            name = prefix + entry.name
            kind = _kind(entry, root)
            if is_hidden(entry.name):
                left_out.add(HIDDEN, name)
            elif kind == "folder":
                if (real := os.path.realpath(entry.path)) not in seen:
                    seen.add(real)
                    pending.append(f"{name}/")
            elif kind == "file":
                yield name
            else:
                left_out.add(kind, name)


def _kind(entry: os.DirEntry[str], root: str) -> str:
    """`file`, `folder`, or the reason for skipping it."""
    try:
        if entry.is_symlink():
            real = os.path.realpath(entry.path)
            if real != root and not real.startswith(root.rstrip("/") + "/"):
                return LINK_OUT
        mode = entry.stat().st_mode
    except OSError:
        return LINK_TO_NOTHING if entry.is_symlink() else "not readable"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else SPECIAL
