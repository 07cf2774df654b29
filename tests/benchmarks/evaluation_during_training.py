"""What evaluations during training cost: python tests/benchmarks/evaluation_during_training.py [--steps 100].

Trains the networks of digits.yaml in turn without evaluations, with one every 25 generator steps between two steps,
and with the same in a thread; and evaluates once without any training. Prints the wall-clock and processor seconds of
each as JSON and as a table; of several rounds, the least. A thread helps only if a processor is free for it
(`OMP_NUM_THREADS=1` on two idle ones).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from tests.unit.evaluation.example_images import digits
from tests.unit.training.tiny_training import Recorder
from wgan.config_reading import load_config
from wgan.evaluation.during_training import SEED, TrainingEvaluation, with_real_images
from wgan.evaluation.extractors.choose import ClassifierExtractor
from wgan.evaluation.extractors.classifier import define_classifier, train_classifier
from wgan.records import EvaluationProtocol
from wgan.steps.evaluate_checkpoints import CheckpointEvaluations
from wgan.training.checkpoint import load_generator
from wgan.training.loop import train
from wgan.training.runner import Execution
from wgan.training.sampling import generate_images
from wgan.training.state import new_state

DIGITS = Path(__file__).with_name("digits.yaml")
CPU = torch.device("cpu")
EVERY, IMAGES = 25, 1024
ALONE = "one evaluation alone"
WAYS = {"no evaluations": (0, False), "between two steps": (EVERY, False), "in a thread": (EVERY, True)}


def evaluation() -> TrainingEvaluation:
    """The evaluation of a digits run."""
    trained = train_classifier(digits(), define_classifier(digits()), "cpu")
    protocol = EvaluationProtocol(
        extractor="classifier",
        extractor_digest="",
        data_digest="",
        sample_count=IMAGES,
        seeds=(SEED,),
        neighbours=5,
        confidence=0.95,
    )
    return with_real_images(digits(), ClassifierExtractor(trained, None, "cpu", ""), protocol, 256, "cpu")


def seconds(measure: TrainingEvaluation, steps: int, every: int, background: bool) -> tuple[float, float]:
    """Wall-clock and processor seconds of one training."""
    changes = {"generator_steps": steps, "evaluate_every": every, "checkpoint_every_steps": EVERY}
    config = load_config("digits", DIGITS, assignments=[f"training.{name}={value}" for name, value in changes.items()])
    evaluations = CheckpointEvaluations(
        measure,
        lambda checkpoint: partial(generate_images, load_generator(checkpoint)),
        "",
        IMAGES,
        0,
        lambda step, values: None,
        background,
    )
    with tempfile.TemporaryDirectory() as folder:
        wall, processor = time.perf_counter(), time.process_time()
        with evaluations:
            train(
                config,
                digits(),
                "digits",
                Recorder(),
                CPU,
                Path(folder),
                execution=Execution(),
                evaluate=evaluations.evaluate,
            )
            evaluations.wait()
        return time.perf_counter() - wall, time.process_time() - processor


def seconds_of_one(measure: TrainingEvaluation) -> tuple[float, float]:
    """Wall-clock and processor seconds of a single evaluation."""
    generator = new_state(load_config("digits", DIGITS), CPU).generator
    wall, processor = time.perf_counter(), time.process_time()
    measure(partial(generate_images, generator))
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="generator steps of each training")
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    measure = evaluation()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in (ALONE, *WAYS)}
    for _ in range(chosen.rounds):
        found[ALONE].append(seconds_of_one(measure))
        for name, (every, background) in WAYS.items():
            found[name].append(seconds(measure, chosen.steps, every, background))
    least = {name: tuple(min(values) for values in zip(*rounds, strict=True)) for name, rounds in found.items()}
    print(json.dumps({"steps": chosen.steps, "threads": torch.get_num_threads(), "seconds": least}))
    print("| | wall-clock s | processor s |\n|---|---|---|")
    for name, (wall, processor) in least.items():
        print(f"| {name} | {wall:.1f} | {processor:.1f} |")


if __name__ == "__main__":
    main()
