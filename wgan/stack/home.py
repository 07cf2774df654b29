"""The home folder of a stack: private to its owner, and never a folder with other files."""

from __future__ import annotations

import os
from pathlib import Path

from wgan.errors import WganError

FOLDERS = ("logs", "s3", "prefect")
OWN_NAMES = frozenset(
    {*FOLDERS, "cache", "comparisons", "samples", "connection.json", "credentials.json", "open.html", "stack.json"}
)
DATABASE_NAMES = ("mlflow.db", "prefect.db")
NAMED_IN_A_MESSAGE = 3


def prepare_home(home: Path) -> None:
    """Create the home folder and its subfolders, private to the owner.

    Raises `WganError` if it cannot be used or holds other files, whose readers would be locked out.
    """
    try:
        if home.is_dir() and (foreign := _foreign(home)):
            more = " and more" if len(foreign) > NAMED_IN_A_MESSAGE else ""
            raise WganError(
                f"the folder {home} holds files that are not this pipeline's ({', '.join(foreign[:NAMED_IN_A_MESSAGE])}"
                f"{more}) and is not used: set WGAN_HOME to an empty or a new folder."
            )
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        for name in FOLDERS:
            (home / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise WganError(
            f"the folder {home} cannot be used ({error.strerror}): make it writable or set WGAN_HOME to another one."
        ) from None


def _foreign(home: Path) -> list[str]:
    """Names in the folder that are not this pipeline's; none if it was already a stack's home."""
    if (home / "credentials.json").is_file() and home.stat().st_uid == os.getuid():
        return []
    return sorted(path.name for path in home.iterdir() if not _is_own(path.name))


def _is_own(name: str) -> bool:
    return name in OWN_NAMES or name.startswith((*DATABASE_NAMES, "stack.lock", ".credentials.json."))
