"""Backup: the whole system into a folder of this machine."""

from __future__ import annotations

import re

from prefect.artifacts import create_markdown_artifact

from tasks.connections import connect
from tasks.progress import progress_artifact
from tasks.retrying import retried_task
from wgan.backup import save
from wgan.errors import UsageError
from wgan.records import BackupRef

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@retried_task("save backup")
def save_backup(name: str, base: str | None) -> BackupRef:
    """Write the backup into this machine's folder of backups, and what is in it as an artifact.

    The names come from Prefect's page, whose users must not choose where a worker writes.
    """
    for given in (name, *([base] if base else [])):
        if not NAME.fullmatch(given):
            raise UsageError(f"a backup cannot be called {given!r}: use letters, digits, dots, dashes and underscores.")
    settings, _ = connect()
    folder = settings.backups_dir or settings.home / "backups"
    folder.mkdir(parents=True, exist_ok=True)
    with progress_artifact("backup", f"Backing up into {name}"):
        manifest = save(folder / name, settings, folder / base if base else None)
    saved = BackupRef(
        path=str((folder / name).resolve()),
        objects=len(manifest.objects),
        bytes=manifest.bytes,
        taken_over=manifest.taken_over,
        databases=tuple(f"{each.name} ({each.kind})" for each in manifest.databases),
    )
    create_markdown_artifact(
        markdown=f"# Backup {name}\n\n| | |\n|---|---|\n| Folder on the worker's machine | `{saved.path}` |\n"
        f"| Databases | {', '.join(saved.databases)} |\n| Objects | {saved.objects:,}, of which {saved.taken_over:,} "
        f"were taken from {base or 'no earlier backup'} |\n| Size | {saved.bytes / 2**20:,.1f} MiB |\n\n"
        f"`wgan backup --check {saved.path}` verifies it; `wgan restore {saved.path}` restores it.\n",
        key="backup-report",
        description=name,
    )
    return saved
