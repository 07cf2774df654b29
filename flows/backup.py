"""Backup from Prefect's page, into a folder of the worker's machine."""

from __future__ import annotations

from prefect import flow

from flows.endings import completed, named_endings
from tasks.backup import save_backup
from wgan.durations import counted
from wgan.records import BackupRef


@flow(name="backup", flow_run_name="{name}", persist_result=True)
@named_endings()
def backup(name: str, base: str | None = None) -> BackupRef:
    """Save both databases, the bucket's objects and the ledger, while everything runs.

    Args:
        name: Of the new backup, e.g. 2026-05-04; it is saved in WGAN_BACKUPS_DIR of the worker's machine.
        base: Name of an earlier backup there; what has not changed since is taken from it.
    """
    saved = save_backup(name, base)
    return completed(f"Saved: {saved.path}, {counted(saved.objects, 'object')}, {saved.bytes / 2**20:,.1f} MiB.", saved)
