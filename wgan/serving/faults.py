"""Tells whether a version is not served because of the version itself or because of this process."""

from __future__ import annotations

import re
from typing import Literal

from wgan.errors import WganError

Fault = Literal["version", "process"]
LOCAL_PATH = re.compile(r"(?<![\w:/.@])~?/[^\s'\":;,()]+")
"""An absolute local path, not part of a URL."""


class VersionFault(WganError):
    """The version itself cannot be served, by any process. Other errors say nothing about the version."""


def without_paths(reason: str) -> str:
    """The reason with local paths removed."""
    return LOCAL_PATH.sub("(a local path)", reason)
