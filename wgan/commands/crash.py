"""Writes the traceback of a bug to a file, which the user can attach to a report."""

from __future__ import annotations

import sys
import tempfile
import traceback
from datetime import datetime
from pathlib import Path

from wgan.errors import WganError

KEPT = 20
"""Number of newest tracebacks to keep."""


def keep_traceback(error: BaseException) -> Path:
    """Write the exception's traceback, with the command line, below the home folder; returns the file.

    If the home is not writable, it goes into the system's temporary folder.
    """
    from wgan.settings import load_settings

    now = datetime.now().astimezone()
    text = f"{now.isoformat()}\n{sys.argv}\n\n{''.join(traceback.format_exception(error))}"
    try:
        folder = load_settings().home.resolve() / "logs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"error-{now:%Y%m%d-%H%M%S-%f}.log"
        path.touch(mode=0o600)
        path.write_text(text)
        for old in sorted(folder.glob("error-*.log"))[:-KEPT]:
            old.unlink(missing_ok=True)
    except (WganError, OSError):
        with tempfile.NamedTemporaryFile("w", prefix="wgan-error-", suffix=".log", delete=False) as file:
            file.write(text)
        return Path(file.name)
    return path
