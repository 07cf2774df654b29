"""Backs up the whole system while it runs, and restores it on an empty machine: databases, objects and ledger."""

from wgan.backup.archive import Archive, open_archive
from wgan.backup.manifest import BackupManifest
from wgan.backup.restore import restore
from wgan.backup.save import save
from wgan.backup.verify import read_manifest, verify

__all__ = ["Archive", "BackupManifest", "open_archive", "read_manifest", "restore", "save", "verify"]
