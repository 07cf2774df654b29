"""What happens between two steps: metrics, sample grids and checkpoints. None of it changes the numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from wgan.config import RetrainConfig
from wgan.training.checkpoint import checkpoint_path, prune_checkpoints, save_checkpoint
from wgan.training.measures import ESTIMATE, step_metrics
from wgan.training.runner import Execution
from wgan.training.sampling import generate_images
from wgan.training.state import TrainingState
from wgan.training.world import World


class Observer(Protocol):
    """Receives the progress of a training run. The calls of one step come in the order below.

    After a resume, only steps after the checkpoint are reported. A killed run may already have reported some of them;
    in float32 on the CPU they are repeated with the same numbers.
    """

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """The step's metrics, as `wgan.training.measures` names them, every `log_every` steps and at the last step."""
        ...

    def samples(self, step: int, images: NDArray[np.uint8]) -> None:
        """Images (N, C, H, W) from the same noise each time, every `sample_every` steps and at the last step."""
        ...

    def checkpoint(self, step: int, path: Path) -> None:
        """A complete checkpoint file; it is deleted once there are `keep_checkpoints` newer ones."""
        ...

    def should_stop(self) -> bool:
        """Called once before each generator step; True writes a checkpoint of this step and stops."""
        ...


Evaluate = Callable[[int, Path], bool]
"""(step, checkpoint) → whether to end the training; called every `evaluate_every` steps and at the last one. The file
may be deleted once the call returns."""


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended."""

    checkpoint: Path
    generator_steps: int
    stopped: bool
    """Whether `should_stop` interrupted it before the last step."""
    ended_early: bool
    """Whether `evaluate` ended it before the last step."""
    wasserstein_estimate: float | None
    """Running median at the end; None for the objective `gan`, which estimates no distance."""
    images_per_second: float
    """Real images shown to the critic per second, over this attempt."""
    seconds: float
    """Total over all attempts."""
    device: str
    precision: str
    started_from: str | None
    """The origin of the run's starting point, if it had one."""
    execution: Execution
    """How the steps were executed, and why."""


class Callbacks:
    """Calls the observer of rank 0 and writes the checkpoints, at the end of each generator step."""

    def __init__(
        self,
        config: RetrainConfig,
        data_digest: str,
        observer: Observer,
        state: TrainingState,
        device: torch.device,
        folder: Path,
        resumed_from: Path | None,
        world: World,
        evaluate: Evaluate | None = None,
    ) -> None:
        self.config, self.data_digest, self.observer, self.state = config, data_digest, observer, state
        self.device, self.folder, self.newest, self.world = device, folder, resumed_from, world
        self.evaluate_checkpoint = evaluate if config.training.evaluate_every else None
        self.stopped = self.ended_early = False
        self.started = self.logged = self.saved = time.perf_counter()
        self.seconds_before, self.first_critic_step = state.seconds, state.critic_steps
        self.logged_critic_step = state.critic_steps

    def on_resume(self) -> None:
        """Evaluate the checkpoint that training resumes from, if due: an interruption may have prevented it."""
        if self.newest is not None and self._evaluation_is_due():
            self._evaluate()

    def after_step(self, stop: bool) -> bool:
        """Do what is due after a generator step; returns whether to end. `stop` interrupts no run at its last step.

        Waits for the device only if something is due. Raises `TrainingDiverged` if a loss was NaN or infinite, before
        anything is reported or written.
        """
        settings, state = self.config.training, self.state
        last = state.generator_steps == settings.generator_steps
        self.stopped = stop and not last
        evaluation = self._evaluation_is_due()
        log = last or state.generator_steps % settings.log_every == 0
        sample = last or state.generator_steps % settings.sample_every == 0
        checkpoint = last or self.stopped or evaluation or self._checkpoint_is_due()
        if log or sample or checkpoint:
            state.history.to_host()
        if self.world.rank == 0:
            if log:
                self._log()
            if sample:
                self.observer.samples(state.generator_steps, self._samples())
            if checkpoint:
                self._checkpoint()
        if evaluation:
            self._evaluate()
        return self.stopped or self.ended_early

    def result(self, execution: Execution) -> TrainingResult:
        """How the training ended. On ranks other than 0, the checkpoint is the path that rank 0 wrote to."""
        history, state = self.state.history, self.state
        history.to_host()
        return TrainingResult(
            checkpoint=self.newest or checkpoint_path(self.folder, state.generator_steps),
            generator_steps=state.generator_steps,
            stopped=self.stopped,
            ended_early=self.ended_early,
            wasserstein_estimate=history.running_median(ESTIMATE) if ESTIMATE in history.last() else None,
            images_per_second=self._speed(self.first_critic_step, self.started),
            seconds=self._seconds(),
            device=str(self.device),
            precision=execution.precision,
            started_from=state.started_from,
            execution=execution,
        )

    def _log(self) -> None:
        values = step_metrics(self.state, self.config.training)
        values["images_per_second"] = self._speed(self.logged_critic_step, self.logged)
        self.logged, self.logged_critic_step = time.perf_counter(), self.state.critic_steps
        self.observer.metrics(self.state.generator_steps, values)

    def _samples(self) -> NDArray[np.uint8]:
        settings = self.config.training
        return generate_images(self.state.drawn_generator, settings.seed, settings.sample_count, self.device)

    def _checkpoint_is_due(self) -> bool:
        settings = self.config.training
        late = time.perf_counter() - self.saved >= settings.checkpoint_every_seconds
        return late or self.state.generator_steps % settings.checkpoint_every_steps == 0

    def _evaluation_is_due(self) -> bool:
        settings, step = self.config.training, self.state.generator_steps
        last = step == settings.generator_steps
        return self.evaluate_checkpoint is not None and step > 0 and (last or step % settings.evaluate_every == 0)

    def _evaluate(self) -> None:
        """Only rank 0 evaluates, and all ranks end together."""
        settings, step = self.config.training, self.state.generator_steps
        end = False
        if self.world.rank == 0 and self.evaluate_checkpoint is not None and self.newest is not None:
            end = self.evaluate_checkpoint(step, self.newest)
        self.ended_early = self.world.any(end, self.device) and step < settings.generator_steps

    def _checkpoint(self) -> None:
        self.state.seconds = self._seconds()
        self.newest = save_checkpoint(self.folder, self.state, self.config, self.data_digest)
        prune_checkpoints(self.folder, self.config.training.keep_checkpoints, self.state.generator_steps)
        self.saved = time.perf_counter()
        self.observer.checkpoint(self.state.generator_steps, self.newest)

    def _speed(self, since_critic_step: int, since: float) -> float:
        images = (self.state.critic_steps - since_critic_step) * self.config.training.batch_size * self.world.size
        return images / max(time.perf_counter() - since, 1e-9)

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started
