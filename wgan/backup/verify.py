"""Verifies a backup: every file in its manifest exists with the bytes that were written."""

from __future__ import annotations

import hashlib

from pydantic import ValidationError

from wgan import progress
from wgan.backup.archive import Archive
from wgan.backup.manifest import MANIFEST_FILE, BackupManifest
from wgan.errors import UsageError, WganError

STAGE = "check"


def read_manifest(archive: Archive) -> BackupManifest:
    """The backup's manifest. Raises `UsageError` if it is not a backup, or of another format."""
    if not archive.has(MANIFEST_FILE):
        raise UsageError(f"{archive.path} is not a backup, or is incomplete: it has no {MANIFEST_FILE}.")
    try:
        return BackupManifest.model_validate_json(b"".join(archive.blocks(MANIFEST_FILE)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise UsageError(f"{MANIFEST_FILE} in {archive.path} is damaged: {where}: {first['msg']}.") from None


def verify(archive: Archive, manifest: BackupManifest) -> None:
    """Read every file and compare its SHA-256, with progress. Raises `WganError` naming all damaged files."""
    expected = {database.file: database.sha256 for database in manifest.databases}
    expected |= {stored.file: stored.sha256 for stored in manifest.objects}
    faults: list[str] = []
    progress.report(STAGE, 0, len(expected))
    for done, (name, sha256) in enumerate(expected.items(), start=1):
        if not archive.has(name):
            faults.append(f"{name} is missing")
        elif _sha256(archive, name) != sha256:
            faults.append(f"{name} is damaged")
        progress.report(STAGE, done, len(expected))
    if faults:
        more = f" and {len(faults) - 3} more faults" if len(faults) > 3 else ""
        raise WganError(
            f"the backup {archive.path} is damaged or incomplete: {', '.join(faults[:3])}{more}; use another one."
        )


def _sha256(archive: Archive, name: str) -> str:
    digest = hashlib.sha256()
    try:
        for block in archive.blocks(name):
            digest.update(block)
    except OSError as error:
        raise WganError(f"{name} in {archive.path} cannot be read ({error.strerror}).") from None
    return digest.hexdigest()
