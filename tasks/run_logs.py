"""The logs of runs: what happens in sentences, and how far it is now and then."""

from __future__ import annotations

import logging
import time

from prefect.logging import get_run_logger

from wgan.errors import WganError
from wgan.progress import Pace, Progress, sentence
from wgan.records import DatasetRef, GateDecision

SECONDS_BETWEEN_LINES = 30.0


def without_foreseen_traceback(record: logging.LogRecord) -> bool:
    """A filter of Prefect's loggers: an error that is one sentence for its reader is logged without its traceback."""
    if record.exc_info and isinstance(record.exc_info[1], WganError):
        record.exc_info = None
        record.exc_text = None
    return True


class ProgressLines:
    """A listener that writes progress into the run's log: the first report of a stage, one now and then, the last.

    Each but the first and the last says how much time is left.
    """

    def __init__(self) -> None:
        self._logger = get_run_logger()
        self._last: dict[str, float] = {}
        self._ended: set[str] = set()
        self._paces: dict[str, Pace] = {}

    def __call__(self, position: Progress) -> None:
        """Hear one report."""
        stage, total = position.stage, position.total
        if total == 0:
            self._logger.info("%s: %s", stage, position.note)
            return
        complete = total is not None and position.done >= total
        now = time.monotonic()
        pace = self._paces.setdefault(stage, Pace())
        pace.hear(position.done, now)
        due = now - self._last.get(stage, -SECONDS_BETWEEN_LINES) >= SECONDS_BETWEEN_LINES
        if stage in self._ended or not (complete or due):
            return
        self._last[stage] = now
        if complete:
            self._ended.add(stage)
        self._logger.info("%s", sentence(position, pace.seconds_left(total)))


def log_dataset(dataset: DatasetRef) -> None:
    """What there is to train on, and what was left out."""
    left_out = ", ".join(f"{entry.count:,} {entry.reason}" for entry in dataset.left_out)
    get_run_logger().info(
        "%s",
        f"Data: {dataset.name}, {dataset.count:,} images of {dataset.image_size}×{dataset.image_size} in "
        f"{dataset.channels} channel(s) to train on, {dataset.held_out_count:,} held out, "
        f"{f'left out: {left_out}' if left_out else 'none left out'}; digest {dataset.digest[:12]}.",
    )


def log_decision(model: str, version: int, decision: GateDecision) -> None:
    """The gate's verdict, and every rule with how it came out."""
    logger = get_run_logger()
    for rule in decision.rules:
        logger.info("%s", f"{'✓' if rule.passed else '✗'} {rule.reason}")
    logger.info(
        "%s", f"The gate says: {'promote' if decision.promote else 'do not promote'} {model} version {version}."
    )
