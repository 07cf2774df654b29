"""Averages of the generator's weights: python tests/benchmarks/averages.py [--steps 1200] [--every 300] [--seed 0].

Trains the networks of digits.yaml once and keeps averages of several decays beside them. Every so often it prints the
Fréchet distance, precision and recall (means over three samples of 1,024) of the weights and of each average, with
BatchNorm's running statistics averaged like the weights, as the pipeline does, and with statistics computed anew from
2,048 images. Prints JSON and a table.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from torch import nn

from tests.unit.evaluation.example_images import ImagesInMemory, digits
from wgan.config_reading import load_config
from wgan.data.held_out import is_held_out
from wgan.evaluation.extractors.choose import ClassifierExtractor
from wgan.evaluation.extractors.classifier import define_classifier, train_classifier
from wgan.evaluation.extractors.features import extract
from wgan.evaluation.metrics.frechet import frechet_distance
from wgan.evaluation.metrics.prdc import prdc
from wgan.evaluation.reference import draw_subset
from wgan.training.average import new_average, update_average
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.device import limit_threads
from wgan.training.inputs import StepInputs
from wgan.training.networks import ImageGenerator
from wgan.training.objectives import objective_of
from wgan.training.runner import Execution, StepRunner
from wgan.training.sampling import generate_images
from wgan.training.state import new_state
from wgan.training.world import ALONE

DIGITS = Path(__file__).with_name("digits.yaml")
CPU = torch.device("cpu")
DECAYS = (0.9, 0.99, 0.999)
SEEDS, IMAGES = (1000, 1001, 1002), 1024


class Judge:
    """Measures generators against the digits they are trained on."""

    def __init__(self, images: ImagesInMemory) -> None:
        trained = train_classifier(images, define_classifier(images), "cpu")
        self.extractor = ClassifierExtractor(trained, None, "cpu", "")
        self.real = {seed: self._vectors(images.gather(draw_subset(images.count, IMAGES, seed))) for seed in SEEDS}

    def _vectors(self, images: np.ndarray) -> np.ndarray:
        return extract(self.extractor, np.array_split(images, 4)).vectors

    def __call__(self, generator: ImageGenerator) -> tuple[float, float, float]:
        """Fréchet distance, precision and recall."""
        rows = []
        for seed, real in self.real.items():
            drawn = self._vectors(generate_images(generator, seed, IMAGES))
            balls = prdc(real, drawn, 5)
            rows.append((frechet_distance(real, drawn), balls.precision, balls.recall))
        fid, precision, recall = np.mean(rows, axis=0).round(3).tolist()
        return fid, precision, recall


def anew(generator: ImageGenerator) -> ImageGenerator:
    """A copy whose running statistics are the plain means over 32 batches of 64."""
    generator = copy.deepcopy(generator).train()
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    stream = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for _ in range(32):
            generator(torch.randn(64, generator.latent_dim, generator=stream))
    return generator.eval()


def training_digits() -> ImagesInMemory:
    """The digits that the preset trains on: 179 of them are held out."""
    everything = digits()
    assert everything.labels is not None
    kept = np.array([not is_held_out(image, 0.1) for image in everything.pixels])
    return ImagesInMemory(everything.pixels[kept], everything.labels[kept])


def training(
    images: ImagesInMemory, steps: int, every: int, seed: int
) -> Iterator[tuple[int, dict[str, ImageGenerator]]]:
    """Train; yields the step, the generator and its averages by name every so often."""
    config = load_config("digits", DIGITS, assignments=[f"training.seed={seed}"])
    settings, state = config.training, new_state(config, CPU)
    inputs = StepInputs(
        config, RealBatches(images, DataOrder(images.count, settings.batch_size, seed, ALONE), CPU), CPU
    )
    runner = StepRunner(state, objective_of(settings), inputs, Execution())
    averages = {decay: new_average(state.generator) for decay in DECAYS}
    for step in range(1, steps + 1):
        for _ in range(settings.n_critic):
            runner.critic(state.critic_steps)
            state.critic_steps += 1
        runner.generator(step - 1)
        for decay, average in averages.items():
            update_average(average, state.generator, decay, step)
        if step % every == 0:
            yield step, {"weights": state.generator, **{f"decay {decay}": own for decay, own in averages.items()}}


def main() -> None:
    """Train, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--every", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    limit_threads()
    images = training_digits()
    judge, rows = Judge(images), []
    for step, generators in training(images, chosen.steps, chosen.every, chosen.seed):
        for name, generator in generators.items():
            rows.append((step, name, judge(generator), judge(anew(generator))))
            print(*rows[-1], file=sys.stderr, flush=True)
    print(json.dumps(rows))
    print("| step | | averaged statistics: fid, precision, recall | computed anew |\n|---|---|---|---|")
    for step, name, averaged, fresh in rows:
        print(f"| {step} | {name} | {', '.join(map(str, averaged))} | {', '.join(map(str, fresh))} |")


if __name__ == "__main__":
    main()
