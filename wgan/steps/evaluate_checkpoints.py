"""Evaluates checkpoints while their training continues, and chooses the best of them.

A checkpoint is evaluated in a thread if enough processors are free for it, else between two steps. Its results reach
S3 with the list of checkpoints, so a resumed run has them; a checkpoint stays in S3 until its result does. The numbers
of the training, the choice and an early end do not depend on where an evaluation runs or on interruptions.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from wgan import progress
from wgan.config import RetrainConfig
from wgan.data.dataset import PreparedImages
from wgan.errors import ObjectDamaged, ObjectMissing
from wgan.evaluation.during_training import open_training_evaluation
from wgan.evaluation.side_by_side import GenerateImages
from wgan.records import CheckpointChoice, CheckpointEvaluation
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.checkpoints import Evaluated, read_latest
from wgan.training.checkpoint import load_generator
from wgan.training.device import leaves_processors_free, resolve_device
from wgan.training.sampling import generate_images

Measure = Callable[[GenerateImages], Mapping[str, float]]
Open = Callable[[Path], GenerateImages]
Report = Callable[[int, Mapping[str, float]], None]

logger = logging.getLogger(__name__)


class CheckpointEvaluations:
    """The evaluations of one training, in the order of its checkpoints; at most one is unfinished.

    Use as a context manager: leaving it drops an evaluation that has not begun.
    """

    def __init__(
        self,
        measure: Measure,
        open_generator: Open,
        protocol_digest: str,
        images: int,
        patience: int,
        report: Report,
        background: bool,
    ) -> None:
        """`open_generator` reads a checkpoint, `images` are those of one evaluation, `report` gets step and values."""
        self._measure, self._open_generator, self._report = measure, open_generator, report
        self._protocol_digest, self._images, self._patience = protocol_digest, images, patience
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint-evaluation") if background else None
        self._unfinished: Future[None] | None = None
        self._submitted: frozenset[int] = frozenset()
        self.finished: tuple[CheckpointEvaluation, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def restore(self, stored: Sequence[CheckpointEvaluation], step: int) -> None:
        """Take over the results of an interrupted attempt, up to the step that training resumes from.

        Results under another protocol are dropped, since they cannot be compared.
        """
        for evaluation in stored:
            if evaluation.step <= step and evaluation.protocol_digest == self._protocol_digest:
                self.finished = (*self.finished, evaluation)
                self._report(evaluation.step, evaluation.metrics)

    def lacks(self, step: int) -> bool:
        """Whether the checkpoint of this step has no result."""
        return step not in {evaluation.step for evaluation in self.finished}

    def evaluate(self, step: int, checkpoint: Path) -> bool:
        """Evaluate a checkpoint, or begin to, unless it has a result; returns whether training should end.

        Blocks until the previous one is finished; raises what that raised. The file may be deleted afterwards.
        """
        if self.lacks(step):
            self.wait()
            generate = self._open_generator(checkpoint)
            self._submitted |= {step}
            if self._pool is None:
                self._run(step, generate)
            else:
                caller = contextvars.copy_context()  # so that its log records belong to the caller's run
                self._unfinished = self._pool.submit(caller.run, self._run, step, generate)
        return self._should_end()

    def wait(self) -> None:
        """Block until every evaluation that has begun is finished; raises what it raised."""
        if self._unfinished is not None:
            self._unfinished.result()
            self._unfinished = None

    def evaluated(self, step: int) -> Evaluated:
        """The results up to a step, and which checkpoints are still needed: the best, and those without a result."""
        unfinished = self._submitted - {evaluation.step for evaluation in self.finished}
        finished = tuple(evaluation for evaluation in self.finished if evaluation.step <= step)
        return Evaluated(finished, unfinished | ({best(finished).step} if finished else set()))

    def choose(self, stored_steps: Collection[int], last_step: int, ended_early: bool) -> CheckpointChoice | None:
        """The best of the evaluated checkpoints that are in storage; None if none was evaluated."""
        stored = [evaluation for evaluation in self.finished if evaluation.step in stored_steps]
        if not stored:
            return None
        chosen = best(stored)
        last = max(self.finished, key=lambda evaluation: evaluation.step)
        return CheckpointChoice(
            step=chosen.step,
            fid=chosen.metrics["fid"],
            last_step=last_step,
            last_fid=last.metrics["fid"],
            evaluations=len(self.finished),
            images=self._images,
            ended_early=ended_early,
        )

    def _run(self, step: int, generate: GenerateImages) -> None:
        metrics = dict(self._measure(generate))
        evaluation = CheckpointEvaluation(step=step, metrics=metrics, protocol_digest=self._protocol_digest)
        self.finished = (*self.finished, evaluation)
        logger.info("The checkpoint of step %d has a Fréchet distance of %.2f.", step, metrics["fid"])
        self._report(evaluation.step, evaluation.metrics)

    def _should_end(self) -> bool:
        if not self._patience:
            return False
        if self._without_improvement() + (self._unfinished is not None) < self._patience:
            return False  # whatever the unfinished one finds
        self.wait()
        return self._without_improvement() >= self._patience

    def _without_improvement(self) -> int:
        finished = self.finished
        return sum(evaluation.step > best(finished).step for evaluation in finished)


def best(evaluations: Sequence[CheckpointEvaluation]) -> CheckpointEvaluation:
    """The one with the lowest Fréchet distance; of equal ones, the earliest."""
    return min(evaluations, key=lambda evaluation: (evaluation.metrics["fid"], evaluation.step))


def open_evaluations(
    config: RetrainConfig,
    images: PreparedImages,
    settings: Settings,
    storage: Storage,
    report: Report,
) -> CheckpointEvaluations:
    """The evaluations that a run's configuration asks for; perhaps none. Raises what `measure_side_by_side` raises."""
    training, device = config.training, resolve_device(settings.device)

    def open_generator(checkpoint: Path) -> GenerateImages:
        return partial(generate_images, load_generator(checkpoint), device=device)

    if not training.evaluate_every:
        return CheckpointEvaluations(lambda generate: {}, open_generator, "", 0, 0, report, background=False)
    measure = open_training_evaluation(images, config, settings, storage, str(device), progress.report)
    background = leaves_processors_free(device)
    logger.info("Checkpoints are evaluated %s.", "beside the training" if background else "between two steps")
    images_each = measure.protocol.sample_count
    return CheckpointEvaluations(
        measure, open_generator, measure.digest, images_each, training.patience, report, background
    )


def restore_evaluations(
    evaluations: CheckpointEvaluations,
    flow_run_id: str,
    resumed_step: int,
    config: RetrainConfig,
    settings: Settings,
    storage: Storage,
    folder: Path,
) -> None:
    """Take over the stored results, and evaluate the earlier checkpoints whose evaluation an interruption prevented."""
    every = config.training.evaluate_every
    latest = read_latest(flow_run_id, settings, storage)
    if not every or latest is None:
        return
    evaluations.restore(latest.evaluations, resumed_step)
    for checkpoint in sorted(latest.checkpoints, key=lambda stored: stored.step):
        step = checkpoint.step
        if step < resumed_step and step % every == 0 and evaluations.lacks(step):
            path = folder / f"evaluated-{step}.pt"
            with suppress(ObjectMissing, ObjectDamaged):  # it cannot be chosen either
                storage.get_file(checkpoint.key, path, checkpoint.sha256)
                evaluations.evaluate(step, path)
            path.unlink(missing_ok=True)
