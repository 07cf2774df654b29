"""A training in its own process, to be killed: python training_process.py FOLDER.

It resumes from the newest checkpoint in FOLDER, and writes each metric step as a line of FOLDER/metrics.jsonl.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tests.unit.training.tiny_training import Blobs, tiny
from wgan.training.loop import train

STEPS = 120


class Lines:
    """An observer whose metrics are on the disk before the next step begins."""

    def __init__(self, folder: Path) -> None:
        self.file = (folder / "metrics.jsonl").open("a")

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        print(json.dumps({"step": step} | dict(values)), file=self.file, flush=True)

    def samples(self, step: int, images: NDArray[np.uint8]) -> None:
        pass

    def checkpoint(self, step: int, path: Path) -> None:
        pass

    def should_stop(self) -> bool:
        return False


def main() -> None:
    folder = Path(sys.argv[1])
    newest = max(folder.glob("step-*.pt"), default=None)
    config = tiny(generator_steps=STEPS, checkpoint_every_steps=7, sample_every=1000)
    with (folder / "attempts.txt").open("a") as file:
        print(newest.stem if newest else "start", file=file)
    train(config, Blobs(), "data", Lines(folder), torch.device("cpu"), folder, resume_from=newest)


if __name__ == "__main__":
    main()
