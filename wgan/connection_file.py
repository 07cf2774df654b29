"""The file in which `wgan up` tells every command of a home where its servers are."""

from __future__ import annotations

import json
from pathlib import Path

from wgan.errors import UsageError

CONNECTION_FILE = "connection.json"
"""Written to `WGAN_HOME` by `wgan up` (mode 0600): the embedded stack's addresses and credentials."""


def read_connection(home: Path) -> dict[str, str]:
    """What `wgan up` wrote about a home's servers; empty if nothing. Raises `OSError`, `UsageError`."""
    path = home / CONNECTION_FILE
    if not path.is_file():
        return {}
    try:
        stored = json.loads(path.read_bytes())
        if not isinstance(stored, dict) or not all(isinstance(value, str) for value in stored.values()):
            raise ValueError("not names and texts")
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is damaged: delete it, and the next `wgan up` writes it again.") from None
    return stored
