"""One training of the study: a frozen description in, measured curves and last samples out. Runs in any process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from wgan.config import TrainingConfig
from wgan.errors import TrainingDiverged
from wgan.latents import draw_latents
from wgan.pixels import to_bytes
from wgan.study.mixtures import MixtureName, measure_points, mixture
from wgan.study.networks import PerceptronGenerator, PlainGenerator, Scorer, initialise_linear, perceptron
from wgan.study.stacked import StackedTriples
from wgan.study.training import gan_pair, train_pair
from wgan.training.history import diverged
from wgan.training.measures import clip_share
from wgan.training.networks import Critic, Generator, initialise
from wgan.training.streams import Purpose, torch_stream

Architecture = Literal["dcgan", "plain", "mlp"]
POINT_NOISE = 2
"""Dimension of the noise for points in the plane."""
SAMPLE_SEED = 2**31
"""Added to a training's seed for the noise of its samples, so that no training step uses it."""


@dataclass(frozen=True)
class PointTrial:
    """Train perceptrons on a mixture in the plane."""

    name: str
    training: TrainingConfig
    mixture: MixtureName
    width: int
    depth: int
    samples: int
    measure_every: int
    widening: float = 1.0


@dataclass(frozen=True)
class ImageTrial:
    """Train convolutional networks, or a perceptron as the generator, on images in `folder`.

    If `stacked` is not 0, on that many triples of them, else on the images themselves. `width` is the DCGAN's d,
    `plain_width` that of the generator without batch norm.
    """

    name: str
    training: TrainingConfig
    folder: Path
    architecture: Architecture
    width: int
    latent_dim: int
    samples: int
    measure_every: int
    stacked: int = 0
    plain_width: int = 64


Trial = PointTrial | ImageTrial


@dataclass
class TrialResult:
    """The result of a training. `samples` are points (N, 2) or uint8 images (N, C, H, W), by generator step."""

    trial: Trial
    history: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    curves: dict[int, dict[str, float]] = field(default_factory=dict)
    samples: dict[int, NDArray[np.float32] | NDArray[np.uint8]] = field(default_factory=dict)
    clip_share: float = 0.0
    diverged: str | None = None
    cpu_seconds: float = 0.0

    def curve(self, name: str) -> list[float]:
        """One measure at the measured steps, in order."""
        return [values[name] for _, values in sorted(self.curves.items())]

    def last(self) -> dict[str, float]:
        """The measures after the last step."""
        return self.curves[max(self.curves)]

    def last_samples(self) -> NDArray[np.float32] | NDArray[np.uint8]:
        """The samples after the last step."""
        return self.samples[max(self.samples)]


def run_trial(trial: Trial, check: Callable[[], None] = lambda: None) -> TrialResult:
    """Train and measure on one thread; `check` is called after every step and may raise to stop it.

    Divergence is a result, not an error: it is recorded in the result.
    """
    torch.set_num_threads(1)
    started = time.process_time()
    result = TrialResult(trial)
    try:
        if isinstance(trial, PointTrial):
            _train_on_points(trial, result, check)
        else:
            _train_on_images(trial, result, check)
    except TrainingDiverged as error:
        result.diverged = str(error)
    result.cpu_seconds = time.process_time() - started
    return result


def real_points(trial: PointTrial, step: int) -> NDArray[np.float32]:
    """The real batch of critic step `step`, (m, 2)."""
    stream = np.random.SeedSequence((trial.training.seed, int(Purpose.DATA_ORDER), 0, step))
    of = mixture(trial.mixture, trial.widening)
    return of.draw(trial.training.batch_size, np.random.Generator(np.random.Philox(stream)))


def _train_on_points(trial: PointTrial, result: TrialResult, check: Callable[[], None]) -> None:
    training, of = trial.training, mixture(trial.mixture, trial.widening)
    generator = perceptron(POINT_NOISE, 2, trial.width, trial.depth)
    critic = Scorer(2, trial.width, trial.depth)
    initialise_linear(generator, torch_stream(training.seed, Purpose.GENERATOR_WEIGHTS))
    initialise_linear(critic, torch_stream(training.seed, Purpose.CRITIC_WEIGHTS))
    noise = torch.from_numpy(draw_latents(training.seed + SAMPLE_SEED, trial.samples, POINT_NOISE))

    def after_step(step: int) -> None:
        check()
        if step % trial.measure_every == 0 or step == training.generator_steps:
            with torch.no_grad():
                points: NDArray[np.float32] = generator(noise).numpy()
            _require_finite(points, step)
            draw = np.random.Generator(np.random.Philox(training.seed + SAMPLE_SEED))
            result.curves[step] = measure_points(points, of, draw)
            result.samples = {step: points}

    def real(step: int) -> torch.Tensor:
        return torch.from_numpy(real_points(trial, step))

    pair = gan_pair(generator, critic, training)
    result.history = train_pair(pair, training, real, POINT_NOISE, after_step).columns()
    result.clip_share = clip_share(critic, training.clip_value)


def _train_on_images(trial: ImageTrial, result: TrialResult, check: Callable[[], None]) -> None:
    training = trial.training
    images = np.load(trial.folder / "images.npy", mmap_mode="r")
    if trial.stacked:
        images = StackedTriples(images, trial.stacked, training.seed)
    _, channels, _, size = images.shape
    generator = _image_generator(trial, channels, size)
    critic = Critic(channels, size, trial.width)
    initialise(critic, torch_stream(training.seed, Purpose.CRITIC_WEIGHTS))
    noise = torch.from_numpy(draw_latents(training.seed + SAMPLE_SEED, trial.samples, trial.latent_dim))

    def real(step: int) -> torch.Tensor:
        stream = np.random.SeedSequence((training.seed, int(Purpose.DATA_ORDER), 0, step))
        chosen = np.random.Generator(np.random.Philox(stream)).integers(len(images), size=training.batch_size)
        return torch.from_numpy(images[chosen]).float().div_(127.5).sub_(1.0)

    def after_step(step: int) -> None:
        check()
        if step % trial.measure_every == 0 or step == training.generator_steps:
            generator.eval()
            with torch.no_grad():
                drawn: NDArray[np.float32] = np.concatenate([generator(part) for part in torch.split(noise, 256)])
            generator.train()
            _require_finite(drawn, step)
            result.samples[step] = to_bytes(drawn)

    pair = gan_pair(generator, critic, training)
    result.history = train_pair(pair, training, real, trial.latent_dim, after_step).columns()
    result.clip_share = clip_share(critic, training.clip_value)


def _require_finite(samples: NDArray[np.float32], step: int) -> None:
    if not np.isfinite(samples).all():
        raise diverged("a generated sample", step)


def _image_generator(trial: ImageTrial, channels: int, size: int) -> torch.nn.Module:
    stream = torch_stream(trial.training.seed, Purpose.GENERATOR_WEIGHTS)
    if trial.architecture == "mlp":
        generator: torch.nn.Module = PerceptronGenerator(channels, size, trial.latent_dim)
        initialise_linear(generator, stream)
        return generator
    if trial.architecture == "plain":
        generator = PlainGenerator(channels, size, trial.plain_width, trial.latent_dim)
    else:
        generator = Generator(channels, size, trial.width, trial.latent_dim)
    initialise(generator, stream)
    return generator
