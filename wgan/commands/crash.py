"""Where the traceback of a defect goes: a file, since the user can do nothing with it but pass it on."""

from __future__ import annotations

import sys
import tempfile
import traceback
from datetime import datetime
from pathlib import Path

from wgan.errors import WganError

KEPT = 20
"""Tracebacks that are kept, the newest."""


def keep_traceback(error: BaseException) -> Path:
    """Write the exception's traceback, with the command line, below the home folder; returns the file.

    Where the home cannot be written, it goes into the system's temporary folder.
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
