"""Checkpoints in S3: uploaded in the background, found by flow run, newest intact one first."""

from __future__ import annotations

import contextvars
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import Field, ValidationError

from wgan import progress
from wgan.errors import AccessRefused, CheckpointError, ObjectDamaged, ObjectMissing, StorageError
from wgan.file_digest import file_sha256
from wgan.records import CheckpointEvaluation, Record
from wgan.settings import Settings
from wgan.storage import Storage

LONGEST_PAUSE = 15.0
"""Seconds between attempts while the store is unreachable."""
REMEDY = "restore it from a backup, or start a new run"
STAGE = "training"
"""The logger of warnings to the user."""

logger = logging.getLogger(__name__)


class StoredCheckpoint(Record):
    """One checkpoint in S3."""

    step: int = Field(ge=0, description="Generator steps done.")
    key: str
    sha256: str
    bytes: int


class LatestCheckpoints(Record):
    """Content of `latest.json`: the existing checkpoints, newest first."""

    checkpoints: tuple[StoredCheckpoint, ...]
    evaluations: tuple[CheckpointEvaluation, ...] = Field(
        (), description="What checkpoints measured during the training.", exclude_if=lambda evaluations: not evaluations
    )


@dataclass(frozen=True)
class Evaluated:
    """What a training knows of the quality of its checkpoints."""

    evaluations: tuple[CheckpointEvaluation, ...] = ()
    needed: Set[int] = frozenset()
    """Steps whose checkpoints are kept beside the newest."""


def checkpoint_prefix(flow_run_id: str, settings: Settings) -> str:
    """Key prefix of a flow run's checkpoints."""
    return f"{settings.checkpoints_prefix}/{flow_run_id}"


def checkpoint_key(prefix: str, step: int) -> str:
    """Key of the checkpoint of a step."""
    return f"{prefix}/step-{step:08d}.pt"


def latest_checkpoints(flow_run_id: str, settings: Settings, storage: Storage) -> tuple[StoredCheckpoint, ...]:
    """The flow run's checkpoints, newest first; empty if it has none. Raises what `read_latest` raises."""
    latest = read_latest(flow_run_id, settings, storage)
    return latest.checkpoints if latest else ()


def read_latest(flow_run_id: str, settings: Settings, storage: Storage) -> LatestCheckpoints | None:
    """The flow run's checkpoints and their evaluations; None if it has none.

    Raises `CheckpointError` for an invalid list, which must not be taken for a fresh start.
    """
    prefix = checkpoint_prefix(flow_run_id, settings)
    where = f"the list of checkpoints {storage.uri(f'{prefix}/latest.json')}"
    try:
        text = storage.get_bytes(f"{prefix}/latest.json")
        latest = LatestCheckpoints.model_validate_json(text)
    except ObjectMissing:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc'])) or 'the document'}: {first['msg']}"
        raise CheckpointError(f"{where} is damaged ({reason}): {REMEDY}.") from None
    found = latest.checkpoints
    if not found:
        raise CheckpointError(f"{where} is empty, which no run writes: {REMEDY}.")
    if strange := [entry.key for entry in found if entry.key != checkpoint_key(prefix, entry.step)]:
        raise CheckpointError(f"{where} names {strange[0][:100]!r}, which is not a checkpoint of the run: {REMEDY}.")
    return latest


def fetch_newest(flow_run_id: str, settings: Settings, storage: Storage, folder: Path) -> StoredCheckpoint | None:
    """Download the newest intact checkpoint to `folder/<name of its key>`.

    A damaged or missing one is skipped with a warning, and the previous one is used. Returns None if the flow run has
    no checkpoint. Raises `StorageError` if it has some but none is intact.
    """
    stored = latest_checkpoints(flow_run_id, settings, storage)
    for checkpoint in stored:
        try:
            storage.get_file(checkpoint.key, folder / Path(checkpoint.key).name, checkpoint.sha256)
        except (ObjectMissing, ObjectDamaged) as error:
            state = "missing" if isinstance(error, ObjectMissing) else "damaged"
            _warn(f"Checkpoint of step {checkpoint.step} is {state}, the one before is used: {error}")
        else:
            return checkpoint
    if stored:
        raise StorageError(
            f"none of the {len(stored)} checkpoints of flow run {flow_run_id} is intact; start a new run."
        )
    if unlisted := [entry.key for entry in storage.list(f"{checkpoint_prefix(flow_run_id, settings)}/step-")]:
        _warn(
            f"Training begins at step 0, although {storage.uri(unlisted[-1])} exists: no list names it, as when a "
            "run is killed before its first checkpoint is complete."
        )
    return None


class CheckpointUploads:
    """Uploads one flow run's checkpoints in order, in the background, and keeps the newest `keep` and those needed.

    `latest.json` is replaced only once the file it names is complete, so a reader never sees a partial checkpoint. A
    failed upload is retried until there is a newer checkpoint. Use as a context manager: leaving it blocks until the
    last upload is done, retries it for `last_upload_timeout` seconds, and raises its error.
    """

    def __init__(
        self,
        flow_run_id: str,
        keep: int,
        settings: Settings,
        storage: Storage,
        before_publishing: Callable[[], object] = lambda: None,
        evaluated: Callable[[int], Evaluated] = lambda step: Evaluated(),
        last_upload_timeout: float = 600.0,
    ) -> None:
        """`before_publishing` is called in the background before `latest.json` names the next checkpoint.

        `evaluated(step)` gives the evaluations to publish with the checkpoint of a step, and which checkpoints are
        needed beside the newest.
        """
        self._evaluated = evaluated
        self._last_upload_timeout = last_upload_timeout
        self._submitted = -1
        self._give_up_at = math.inf
        self._news = threading.Event()
        self._before_publishing = before_publishing
        self._prefix = checkpoint_prefix(flow_run_id, settings)
        self._keep = keep
        self._storage = storage
        self._stored = latest_checkpoints(flow_run_id, settings, storage)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint-upload")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_up_at = time.monotonic() + (self._last_upload_timeout if error is None else 0.0)
        self._news.set()
        self._pool.shutdown(wait=True)
        if self._last is not None and error is None:
            self._last.result()

    @property
    def stored(self) -> tuple[StoredCheckpoint, ...]:
        """The checkpoints that are kept, newest first; their uploads are complete."""
        return self._stored

    def submit(self, step: int, path: Path) -> None:
        """Upload a complete checkpoint file. The file may be removed as soon as this returns.

        Raises `AccessRefused` if the store refused the previous one: a training that cannot be saved must not continue.
        """
        if (
            self._last is not None
            and self._last.done()
            and isinstance(refused := self._last.exception(), AccessRefused)
        ):
            raise refused
        own = path.with_name(f".uploading-{path.name}")
        own.unlink(missing_ok=True)
        os.link(path, own)
        self._submitted = step
        self._news.set()
        caller = contextvars.copy_context()  # so that its log records belong to the caller's run
        self._last = self._pool.submit(caller.run, self._upload_in_the_end, step, own)

    def _upload_in_the_end(self, step: int, path: Path) -> None:
        failures = 0
        try:
            while True:
                self._news.clear()
                try:
                    self._upload(step, path)
                    return
                except AccessRefused:
                    raise
                except StorageError as error:
                    failures += 1
                    if self._submitted > step:
                        _warn(f"The checkpoint of step {step} was not uploaded; the next one is tried: {error}")
                        return
                    if time.monotonic() > self._give_up_at:
                        raise
                    if failures == 1:
                        _warn(f"The checkpoint of step {step} was not uploaded and is retried: {error}")
                self._news.wait(min(2.0**failures, LONGEST_PAUSE))
        finally:
            path.unlink(missing_ok=True)

    def _upload(self, step: int, path: Path) -> None:
        checkpoint = StoredCheckpoint(
            step=step,
            key=checkpoint_key(self._prefix, step),
            sha256=file_sha256(path),
            bytes=path.stat().st_size,
        )
        self._storage.put_file(checkpoint.key, path)
        self._before_publishing()
        evaluated = self._evaluated(step)
        found = (checkpoint, *(stored for stored in self._stored if stored.step < step))
        kept = tuple(entry for i, entry in enumerate(found) if i < self._keep or entry.step in evaluated.needed)
        latest = LatestCheckpoints(checkpoints=kept, evaluations=evaluated.evaluations)
        self._storage.put_bytes(
            f"{self._prefix}/latest.json", latest.model_dump_json(indent=1).encode(), "application/json"
        )
        self._stored = kept
        for old in found:
            if old not in kept:
                self._storage.delete(old.key)


def _warn(message: str) -> None:
    logger.warning(message)
    progress.announce(STAGE, message)
