"""The logs of runs: events as sentences, and occasional progress."""

from __future__ import annotations

import logging
import time

from prefect.logging import get_run_logger

from wgan.errors import WganError
from wgan.progress import Pace, Progress, sentence
from wgan.records import DatasetRef, GateDecision

SECONDS_BETWEEN_LINES = 30.0


def without_foreseen_traceback(record: logging.LogRecord) -> bool:
    """A filter of Prefect's loggers: an error whose message is one clear sentence is logged without its traceback."""
    if record.exc_info and isinstance(record.exc_info[1], WganError):
        record.exc_info = None
        record.exc_text = None
    return True


class ProgressLines:
    """A listener that writes progress into the run's log: the first report of a stage, occasional ones, the last.

    All but the first and the last include the time left.
    """

    def __init__(self) -> None:
        self._logger = get_run_logger()
        self._last: dict[str, float] = {}
        self._ended: set[str] = set()
        self._paces: dict[str, Pace] = {}

    def __call__(self, position: Progress) -> None:
        """Handle one report."""
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
    """Log the training data, and what was skipped."""
    left_out = ", ".join(f"{entry.count:,} {entry.reason}" for entry in dataset.left_out)
    get_run_logger().info(
        "%s",
        f"Data: {dataset.name}, {dataset.count:,} images of {dataset.image_size}×{dataset.image_size} in "
        f"{dataset.channels} channel(s) to train on, {dataset.held_out_count:,} held out, "
        f"{f'left out: {left_out}' if left_out else 'none left out'}; digest {dataset.digest[:12]}.",
    )


def log_decision(model: str, version: int, decision: GateDecision) -> None:
    """Log the gate's verdict, and every rule with its result."""
    logger = get_run_logger()
    for rule in decision.rules:
        logger.info("%s", f"{'✓' if rule.passed else '✗'} {rule.reason}")
    logger.info(
        "%s", f"The gate says: {'promote' if decision.promote else 'do not promote'} {model} version {version}."
    )
