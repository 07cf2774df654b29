"""Warm start against cold start on data that grew: python tests/benchmarks/warm_start.py [--seeds 0 1 2] [--steps 300].

For each seed: a champion is trained on ten elevenths of the digits (32×32, the preset's networks) and measured on all
of them. Then two trainings run on all digits, both with another seed and fresh optimizers: one from the champion's two
networks, one from scratch. Each is measured every 25 generator steps until its Fréchet distance is at most the
champion's. Prints the steps that each needed, as JSON and as a table; a training that has not reached the champion's
quality after twice the champion's steps is listed as `None`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from tests.unit.evaluation.example_images import ImagesInMemory, digits
from wgan.config import RetrainConfig
from wgan.config_reading import load_config
from wgan.evaluation.extractors.choose import ClassifierExtractor
from wgan.evaluation.extractors.classifier import define_classifier, train_classifier
from wgan.evaluation.extractors.features import extract
from wgan.evaluation.metrics.frechet import frechet_distance
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.device import limit_threads
from wgan.training.inputs import StepInputs
from wgan.training.objectives import objective_of
from wgan.training.runner import Execution, StepRunner
from wgan.training.sampling import generate_images
from wgan.training.state import TrainingState, new_state
from wgan.training.world import ALONE

DIGITS = Path(__file__).with_name("digits.yaml")
CPU = torch.device("cpu")
EVERY = 25
"""Generator steps between measurements."""
IMAGES = 1024
NOISE_SEEDS = (0, 1, 2)
SEED_OF_RETRAINING = 100
"""Added to the champion's seed."""


class Judge:
    """The Fréchet distance of a generator to all digits, in the features of their classifier."""

    def __init__(self, images: ImagesInMemory) -> None:
        trained = train_classifier(images, define_classifier(images), "cpu")
        self.extractor = ClassifierExtractor(trained, None, "cpu", "")
        self.real = extract(self.extractor, np.array_split(images.pixels, 8)).vectors

    def fid(self, state: TrainingState) -> float:
        """Mean over three sets of 1,024 images."""
        drawn = [generate_images(state.generator, seed, IMAGES) for seed in NOISE_SEEDS]
        vectors = [extract(self.extractor, np.array_split(images, 4)).vectors for images in drawn]
        return float(np.mean([frechet_distance(self.real, features) for features in vectors]))


def trained(state: TrainingState, config: RetrainConfig, images: ImagesInMemory) -> Iterator[int]:
    """Train the state without end; yields the number of generator steps after every `EVERY`."""
    training = config.training
    order = DataOrder(images.count, training.batch_size, training.seed, ALONE)
    inputs = StepInputs(config, RealBatches(images, order, CPU), CPU)
    steps = StepRunner(state, objective_of(training), inputs, Execution())
    while True:
        for _ in range(training.n_critic):
            steps.critic(state.critic_steps)
            state.critic_steps += 1
        steps.generator(state.generator_steps)
        state.generator_steps += 1
        if state.generator_steps % EVERY == 0:
            yield state.generator_steps


def compare(seed: int, steps: int, images: ImagesInMemory, judge: Judge) -> dict[str, float | int | None]:
    """One seed's champion, and the steps that a warm and a cold training need to be as good."""
    config = load_config("digits", DIGITS, assignments=[f"training.seed={seed}"])
    again = load_config("digits", DIGITS, assignments=[f"training.seed={seed + SEED_OF_RETRAINING}"])
    before = np.random.default_rng(seed).permutation(images.count)[: images.count * 10 // 11]
    champion = new_state(config, CPU)
    next(done for done in trained(champion, config, ImagesInMemory(images.pixels[before])) if done >= steps)
    goal = judge.fid(champion)
    print(f"seed {seed}, champion, {steps} steps: {goal:.2f}", file=sys.stderr, flush=True)
    found: dict[str, float | int | None] = {"seed": seed, "champion_steps": steps, "champion_fid": round(goal, 2)}
    for name in ("warm", "cold"):
        state = new_state(again, CPU)
        if name == "warm":
            state.generator.load_state_dict(champion.generator.state_dict())
            state.critic.load_state_dict(champion.critic.state_dict())
        found[name] = None
        for done in trained(state, again, images):
            fid = judge.fid(state)
            print(f"seed {seed}, {name}, {done} steps: {fid:.2f}", file=sys.stderr, flush=True)
            if fid <= goal:
                found[name] = done
            if fid <= goal or done >= 2 * steps:
                break
    return found


def main() -> None:
    """Compare all seeds, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300, help="generator steps of the champion")
    chosen = parser.parse_args()
    limit_threads()
    began, images = time.monotonic(), digits()
    judge = Judge(images)
    rows = [compare(seed, chosen.steps, images, judge) for seed in chosen.seeds]
    print(json.dumps({"rows": rows, "seconds": round(time.monotonic() - began)}))
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
