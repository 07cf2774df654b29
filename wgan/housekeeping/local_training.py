"""Rules for leftovers of killed processes on this machine: training folders, and scratch folders of preparations."""

from __future__ import annotations

import fcntl
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wgan.data.workspace import LOCK_NAME
from wgan.file_lock import exclusive
from wgan.housekeeping.caches import files_in, last_used, sizes
from wgan.housekeeping.checkpoints import is_flow_run_id, why_run_kept
from wgan.housekeeping.deletions import Deletions
from wgan.housekeeping.references import References
from wgan.housekeeping.report import RuleReport
from wgan.housekeeping.survey import Survey

LOCKLESS_HOURS = 24
"""Age after which a scratch folder without a lock was left by a process killed before it created the lock."""


def expire_local_training(survey: Survey) -> RuleReport:
    """Remove the training folders of runs whose checkpoints in S3 may also be removed; a resumed run reads from S3."""
    deletions = Deletions("local training folders", survey)
    folders = [folder for folder in sorted(survey.settings.cache.glob("training/*")) if folder.is_dir()]
    references = survey.read_references([folder.name for folder in folders if is_flow_run_id(folder.name)])
    for folder in folders:
        if reason := _why_kept(folder, references, survey):
            deletions.keep(reason)
            continue

        def why_kept_now(folder: Path = folder) -> str | None:
            return _why_kept(folder, survey.read_references([folder.name]), survey)

        def delete(folder: Path = folder) -> None:
            shutil.rmtree(folder)

        deletions.remove(str(folder), sizes(files_in(folder)), why_kept_now, delete)
    return deletions.report()


def remove_abandoned_scratch(survey: Survey) -> RuleReport:
    """Remove the scratch folders of preparations that ended without removing them."""
    deletions = Deletions("local scratch folders", survey)
    root = survey.settings.cache / "preparing"
    if not root.is_dir():
        return deletions.report()
    with exclusive(root / ".lock"):  # no preparation creates a folder and its lock meanwhile
        for folder in sorted(folder for folder in root.iterdir() if folder.is_dir()):
            if _in_use(folder, survey):
                deletions.keep("a preparation is using it")
                continue

            def delete(folder: Path = folder) -> None:
                shutil.rmtree(folder)

            deletions.remove(str(folder), sizes(files_in(folder)), lambda: None, delete)
    return deletions.report()


def _why_kept(folder: Path, references: References, survey: Survey) -> str | None:
    if not is_flow_run_id(folder.name):
        return "not part of a flow run"
    written = last_used([folder])
    return why_run_kept(folder.name, written, references, survey) if written else "already gone"


def _in_use(folder: Path, survey: Survey) -> bool:
    lock = folder / LOCK_NAME
    if not lock.is_file():
        made = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        return survey.now - made < timedelta(hours=LOCKLESS_HOURS)
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
