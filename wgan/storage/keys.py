"""The keys that every S3 store accepts unchanged; others are refused before a request is sent."""

from __future__ import annotations

import re

MOST_BYTES = 1024
MOST_BYTES_OF_A_PART = 255
"""The file system's limit, for stores that keep objects as files."""
ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def key_obstacle(key: str) -> str | None:
    """Why some stores do not accept the key, in words that follow "it"; None if all accept it.

    AWS accepts nearly everything. The embedded store keeps objects as files and reads `%20` in a key as an escape.
    """
    parts = key.split("/")
    if not key:
        return "is empty"
    if len(key.encode()) > MOST_BYTES or any(len(part.encode()) > MOST_BYTES_OF_A_PART for part in parts):
        return f"is longer than {MOST_BYTES:,} bytes, or a part of it than {MOST_BYTES_OF_A_PART}"
    if "" in parts:
        return "begins or ends with /, or has // in it"
    if "." in parts or ".." in parts:
        return "has a part that is . or .."
    if CONTROL.search(key):
        return "has a control character in it"
    if found := ESCAPE.search(key):
        return f"has {found[0]} in it, which is read as an escape"
    return None
