"""Rules for this machine's caches: data sets and downloads that have not been read for a while."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from wgan.housekeeping.deletions import Deletions
from wgan.housekeeping.report import RuleReport
from wgan.housekeeping.survey import Survey

ASIDE = ".expired-"
"""Prefix of a folder that is being removed."""


def expire_cached_datasets(survey: Survey) -> RuleReport:
    """Remove local copies of data sets that have not been read for a while; S3 has them, or they are obsolete.

    A copy is renamed before it is removed, so that a process finds all of it or nothing.
    """
    deletions = Deletions("local data sets", survey)
    days = survey.settings.keep_cache_days
    for folder in sorted(survey.settings.cache.glob("datasets/*/*")):
        if not folder.is_dir():
            continue
        if reason := _why_unread_is_kept([folder], days, survey):
            deletions.keep(reason)
            continue

        def why_kept_now(folder: Path = folder) -> str | None:
            if busy := survey.read_references(()).reading_data:
                return f"a {busy[0].flow} run is in progress"
            return _why_unread_is_kept([folder], days, survey)

        def delete(folder: Path = folder) -> None:
            remove_folder(folder)

        deletions.remove(str(folder), sizes(files_in(folder)), why_kept_now, delete)
    return deletions.report()


def expire_downloads(survey: Survey) -> RuleReport:
    """Remove downloaded files that have not been read for a while, unless a process is checking or replacing them."""
    deletions = Deletions("local downloads", survey)
    days = survey.settings.keep_cache_days
    root = survey.settings.cache / "downloads"
    for path in sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")):
        notes = path.with_name(".validators.json")
        paths = [path, notes] if notes.is_file() else [path]
        if reason := _why_unread_is_kept([path], days, survey):
            deletions.keep(reason)
            continue

        def delete(path: Path = path, paths: list[Path] = paths) -> None:
            with path.with_name(f".{path.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for entry in paths:
                    entry.unlink(missing_ok=True)

        def why_kept_now(path: Path = path) -> str | None:
            return _why_unread_is_kept([path], days, survey)

        deletions.remove(str(path), sizes(paths), why_kept_now, delete)
    return deletions.report()


def _why_unread_is_kept(paths: Iterable[Path], days: float, survey: Survey) -> str | None:
    used = last_used(paths)
    return None if used is None or survey.older(used, days) else f"used within {days:g} days"


def last_used(paths: Iterable[Path]) -> datetime | None:
    """When a file was last read or written, or a folder given here changed; None if nothing exists.

    A file system that does not record reads (mounted `noatime`) only has the time of writing.
    """
    times: list[float] = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
        for file in files_in(path):
            with contextlib.suppress(FileNotFoundError):
                status = file.stat()
                times.append(max(status.st_atime, status.st_mtime))
    return datetime.fromtimestamp(max(times), UTC) if times else None


def files_in(path: Path) -> list[Path]:
    """The file itself, or all files below the folder."""
    if not path.is_dir():
        return [path]
    return [Path(folder) / name for folder, _, names in os.walk(path) for name in names]


def sizes(files: Iterable[Path]) -> list[int]:
    """Sizes of the existing files, in bytes."""
    found = []
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            found.append(file.stat().st_size)
    return found


def remove_folder(folder: Path) -> None:
    """Rename a folder, then remove it; what a killed process left under that name is removed like any other."""
    aside = folder if folder.name.startswith(ASIDE) else folder.with_name(ASIDE + folder.name)
    if aside is not folder:
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    shutil.rmtree(aside)
