"""The folder that a stack lives in: made for its owner alone, and never one that holds somebody's files."""

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
    """Create the home folder and what belongs in it, for the owner only.

    Raises `WganError` when it cannot be used, and when it holds other files: those who read them would be locked out.
    """
    try:
        if home.is_dir() and (foreign := _foreign(home)):
            more = " and more" if len(foreign) > NAMED_IN_A_MESSAGE else ""
            raise WganError(
                f"the folder {home} holds files that are not this pipeline's ({', '.join(foreign[:NAMED_IN_A_MESSAGE])}"
                f"{more}) and is left as it is: set WGAN_HOME to an empty or a new folder."
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
    """Names in the folder that no command of this pipeline gives; none where a stack has lived before."""
    if (home / "credentials.json").is_file() and home.stat().st_uid == os.getuid():
        return []
    return sorted(path.name for path in home.iterdir() if not _is_own(path.name))


def _is_own(name: str) -> bool:
    return name in OWN_NAMES or name.startswith((*DATABASE_NAMES, "stack.lock", ".credentials.json."))
