"""What each of several workers does: open the data set, agree on a checkpoint, train; rank 0 publishes."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

from wgan.data.prepare import open_or_repair
from wgan.scale.workers import Worker
from wgan.stack import client_environment
from wgan.steps.training_session import Session, Trained, train_and_publish
from wgan.storage import Storage, open_storage
from wgan.storage.checkpoints import StoredCheckpoint, fetch_newest
from wgan.training.device import resolve_device
from wgan.training.loop import train
from wgan.training.process_group import world_of_process_group
from wgan.training.silent import SILENT


def work(worker: Worker, session: Session) -> Trained | None:
    """Train as one of the session's workers; on rank 0, returns how it ended. Raises `WganError`.

    The data set and the checkpoint come from S3 into this machine's own cache: WGAN_CACHE_DIR of its environment, or
    else the same path as on the machine that started the training. Addresses and logins are those of the process that
    started it.
    """
    session = session.moved(cache=os.environ.get("WGAN_CACHE_DIR"), device=worker.device)
    os.environ.update(client_environment(session.settings))  # MLflow's client takes the login from there
    storage = open_storage(session.settings)
    alone = session.settings.model_copy(update={"ray_address": ""})  # this process occupies its share of the cluster
    images = open_or_repair(session.dataset, session.config.data, alone, storage)
    found = _agreed_checkpoint(worker, session, storage)
    world = world_of_process_group()
    if worker.rank == 0:
        ready = partial(worker.agree, None)  # the others wait there, as long as it takes
        return train_and_publish(session, images, storage, found, worker.asked_to_stop, world, ready)
    folder = session.folder / f"rank-{worker.rank}"
    try:
        resume_from = _fetched(found, folder, storage)
        start = None if found else session.starting_point()
        worker.agree(None)
        train(
            session.config,
            images,
            session.dataset.digest,
            SILENT,
            resolve_device(worker.device),
            folder,
            resume_from,
            world,
            evaluate=lambda step, checkpoint: False,  # rank 0 evaluates and says when to end
            start=start,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return None


def _agreed_checkpoint(worker: Worker, session: Session, storage: Storage) -> StoredCheckpoint | None:
    """The newest intact checkpoint as rank 0 finds it, on all ranks, once all have their data."""
    found = None
    if worker.rank == 0:
        session.folder.mkdir(parents=True, exist_ok=True)
        found = fetch_newest(session.flow_run_id, session.settings, storage, session.folder)
    told: str | None = worker.agree(found.model_dump_json() if found else None)
    return StoredCheckpoint.model_validate_json(told) if told else None


def _fetched(checkpoint: StoredCheckpoint | None, folder: Path, storage: Storage) -> Path | None:
    if checkpoint is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Path(checkpoint.key).name
    storage.get_file(checkpoint.key, path, checkpoint.sha256)
    return path
