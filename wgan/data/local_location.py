"""Checks the location of local data first, because that is cheap. Imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from wgan.config import SHARDED_SOURCES, DataConfig
from wgan.errors import DataError, DataMissing, UsageError

SCHEMES = ("http://", "https://")


def require_local_data(config: DataConfig) -> None:
    """Raise `UsageError` for an impossible location, as far as it can be checked locally."""
    location = config.location or ""
    try:
        if config.source == "folder":
            existing_folder(location)
        elif config.source == "archive" and "://" not in location:
            existing_file(location)
        elif config.source in SHARDED_SOURCES and "://" not in location:
            existing_path(location)
    except DataError as error:
        raise UsageError(str(error)) from None
    if config.source == "archive" and "://" in location and not location.startswith(SCHEMES):
        scheme = location.partition("://")[0]
        raise UsageError(
            f"data.location begins with {scheme}://, which is neither a path nor an http or https address."
        )
    if config.source in SHARDED_SOURCES and "://" in location and not location.startswith((*SCHEMES, "s3://")):
        scheme = location.partition("://")[0]
        raise UsageError(f"data.location begins with {scheme}://, which is no path and no http, https or s3 address.")
    if config.source == "s3" and not location.startswith("s3://"):
        raise UsageError(f"data.location={location!r} is not an S3 address of the form s3://bucket/prefix.")


def existing_folder(location: str) -> Path:
    """The folder at a location. Raises `DataError` if there is no readable one."""
    folder = _local_path(location)
    if not _is(Path.is_dir, folder):
        raise DataMissing(f"data.location={location!r} is not a folder.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise DataMissing(f"data.location={location!r} cannot be read: its permissions forbid it.")
    return folder


def existing_file(location: str) -> Path:
    """The file at a location. Raises `DataError` if there is no readable one."""
    path = _local_path(location)
    if not _is(Path.is_file, path):
        raise DataMissing(f"data.location={location!r} is not a file.")
    if not os.access(path, os.R_OK):
        raise DataMissing(f"data.location={location!r} cannot be read: its permissions forbid it.")
    return path


def existing_path(location: str) -> Path:
    """The folder or file at a location. Raises `DataError` if there is no readable one."""
    return existing_folder(location) if _is(Path.is_dir, _local_path(location)) else existing_file(location)


def _local_path(location: str) -> Path:
    try:
        return Path(location).expanduser()
    except RuntimeError:
        raise DataMissing(f"data.location={location!r} names the home folder of an unknown user.") from None


def _is(question: Callable[[Path], bool], path: Path) -> bool:
    try:
        return question(path)
    except (OSError, ValueError):
        return False
