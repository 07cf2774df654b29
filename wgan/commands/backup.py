"""`wgan backup` and `wgan restore`: the whole system into one folder or file while it runs, and back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wgan.commands.options import AsJson
from wgan.durations import counted

if TYPE_CHECKING:
    from types import FrameType

    from wgan.backup import BackupManifest


def backup(
    destination: Annotated[
        Path | None, typer.Argument(help="New folder, or new file whose name ends in .tar; nothing is overwritten.")
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(help="An earlier backup: what has not changed since is taken from it.", show_default=False),
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", help="Instead: read this backup and compare every byte's digest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Save both databases, the bucket's objects and the ledger, while everything runs; or check a backup."""
    from wgan.backup import open_archive, read_manifest, save, verify
    from wgan.commands.extras import require_extra
    from wgan.commands.output import local_time, print_json
    from wgan.errors import UsageError
    from wgan.settings import load_settings

    if (destination is None) == (check is None):
        raise UsageError("give either a destination, `wgan backup DESTINATION`, or a backup to --check.")
    if base is not None and check is not None:
        raise UsageError("--base and --check exclude each other: --check writes nothing.")
    with _shown("the backup was stopped; its partial files are removed."):
        if check is not None:
            archive = open_archive(check)
            manifest = read_manifest(archive)
            verify(archive, manifest)
        else:
            assert destination is not None
            require_extra("pipeline")
            manifest = save(destination, load_settings(), base)
    if as_json:
        print_json({**_summary(manifest), "path": str((check or destination or Path()).resolve())})
    elif check:
        _print(f"The backup {check} is intact: {_content(manifest)}, of {local_time(manifest.started)}.")
    else:
        _print(f"Saved in {destination}: {_content(manifest)}, in {_seconds(manifest):.1f} s.")
        if base is not None:
            _print(f"{counted(manifest.taken_over, 'object was', 'objects were')} taken from {base}.")
        if manifest.replaced:
            checkpoints = counted(len(manifest.replaced), "checkpoint was", "checkpoints were")
            _print(f"{checkpoints} replaced during the backup; the newer ones are saved.")
        _print("Protect it like the system itself: Prefect's database holds the credentials saved in its blocks.")
        _print(f"`wgan backup --check {destination}` verifies it; `wgan restore {destination}` restores it.")


def restore(
    path: Annotated[Path, typer.Argument(help="Folder or .tar file that `wgan backup` wrote.")], as_json: AsJson = False
) -> None:
    """Restore a backup into an empty home whose stack is down, or into empty databases and an empty bucket."""
    from wgan.backup import restore as bring_back
    from wgan.commands.extras import require_extra
    from wgan.commands.output import local_time, print_json
    from wgan.settings import load_settings

    require_extra("pipeline")
    with _shown("the restore was interrupted; run the same command to resume it."):
        report = bring_back(path, load_settings())
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    _print(f"Restored the backup of {local_time(report.saved)} ({report.backup}):")
    _print(f"{counted(report.objects, 'object')} into {report.bucket}, {report.bytes / 2**20:,.1f} MiB in all;")
    for name, place in report.databases.items():
        _print(f"{name}'s database into {place}.")
    for note in report.notes:
        _print(note)
    _print("`wgan up` starts the servers; `wgan retrain --resume FLOW_RUN_ID` resumes a run that was in progress.")


def _content(manifest: BackupManifest) -> str:
    kinds = " and ".join(f"{saved.name} ({saved.kind})" for saved in manifest.databases)
    return f"the databases of {kinds}, {counted(len(manifest.objects), 'object')}, {manifest.bytes / 2**20:,.1f} MiB"


def _seconds(manifest: BackupManifest) -> float:
    return (manifest.finished - manifest.started).total_seconds()


def _summary(manifest: BackupManifest) -> dict[str, object]:
    """The manifest with a count in place of every object."""
    counted = {"objects": len(manifest.objects), "bytes": manifest.bytes, "seconds": _seconds(manifest)}
    return {**manifest.model_dump(mode="json", exclude={"objects"}), **counted}


@contextmanager
def _shown(stopped: str) -> Iterator[None]:
    """Show progress; SIGTERM ends the block as Ctrl-C does, so that partial results are removed."""
    from wgan.commands.flow_session import display
    from wgan.commands.output import error_console
    from wgan.errors import Interrupted

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(stopped)

    former = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with display(error_console):
            yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _print(text: str) -> None:
    from wgan.commands.output import console

    console.print(text, highlight=False, markup=False, soft_wrap=True)
