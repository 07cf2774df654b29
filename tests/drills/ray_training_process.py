"""A training on several workers, in a process of its own: python ray_training_process.py FLOW_RUN_ID WORKERS [ray].

It writes its positions, and at the end its record, as lines of JSON. With `ray`, one worker trains through Ray, too.
"""

from __future__ import annotations

import json
import sys

from wgan import progress
from wgan.config_reading import load_config
from wgan.data.prepare import prepare_dataset
from wgan.errors import WganError
from wgan.progress import Progress
from wgan.settings import load_settings
from wgan.steps import train
from wgan.steps.train_on_workers import train_on_workers
from wgan.steps.training_session import Session, Trained
from wgan.storage import open_storage

STEPS = 120
EVERY = 10
"""Generator steps between checkpoints."""


def say(kind: str, **values: object) -> None:
    print(json.dumps({"kind": kind, **values}), flush=True)


def through_ray(session: Session, *_: object) -> Trained:
    return train_on_workers(session)


def main() -> int:
    flow_run_id, workers, *ray = sys.argv[1:]
    if ray:
        train._train = through_ray
    settings = load_settings()
    storage = open_storage(settings)
    config = load_config(
        "digits",
        None,
        [
            f"training.workers={workers}",
            f"training.generator_steps={STEPS}",
            f"training.checkpoint_every_steps={EVERY}",
            "training.sample_every=60",
            "training.log_every=1",
            "training.precision=float32",
            "networks.width=8",
        ],
    )

    def hear(position: Progress) -> None:
        if position.stage == "training":
            say("position" if position.total else "note", step=position.done, note=position.note)

    dataset = prepare_dataset(config.data, settings, storage)
    with progress.listening(hear):
        try:
            reference = train.run_training(config, dataset, settings, storage, flow_run_id)
        except WganError as error:
            say("error", name=type(error).__name__, sentence=str(error))
            return error.exit_code
    say("record", record=reference.model_dump(mode="json"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
