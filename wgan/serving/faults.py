"""Whose fault it is that a version is not in service: the version's own, or this process's."""

from __future__ import annotations

import re
from typing import Literal

from wgan.errors import WganError

Fault = Literal["version", "process"]
LOCAL_PATH = re.compile(r"(?<![\w:/.@])~?/[^\s'\":;,()]+")
"""An absolute path of this machine, and no part of an address."""


class VersionFault(WganError):
    """The version itself cannot be served: no process could take it. Everything else says nothing about the version."""


def without_paths(reason: str) -> str:
    """The reason for those who need not know how this machine's folders are called."""
    return LOCAL_PATH.sub("(a local path)", reason)
