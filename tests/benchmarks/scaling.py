"""Weak scaling from one worker to two: python tests/benchmarks/scaling.py [--only digits] [--rounds 3] [--seconds 10].

Two processes with one thread each and torch's gloo, as in a run with training.workers=2, take turns with one of them
alone, in rounds. Each worker has the whole batch of its own, so two workers should do twice as many images per second.
Prints one JSON object and a table: the median speeds over the rounds, the speed of two over twice that of one, the
share of the two workers' time in collectives, waiting for each other included, and the bytes that a step reduces.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor

from wgan.config import RetrainConfig
from wgan.config_reading import load_config
from wgan.training.all_reduce import FlatAverage
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.inputs import StepInputs
from wgan.training.notebook import ArrayImages
from wgan.training.objectives import objective_of
from wgan.training.runner import Execution, StepRunner
from wgan.training.state import new_state
from wgan.training.world import ALONE, World

CASES: dict[str, list[str]] = {
    "digits": [],
    "64x64": ["data.image_size=64", "networks.width=64", "networks.latent_dim=100"],
}
DIGITS = Path(__file__).with_name("digits.yaml")
CPU = torch.device("cpu")
IMAGES = 512


class TimedAllReduce:
    """torch's all-reduce, and the seconds and bytes that it took."""

    def __init__(self) -> None:
        self.seconds, self.bytes = 0.0, 0

    def __call__(self, buffer: Tensor) -> None:
        start = time.perf_counter()
        torch.distributed.all_reduce(buffer)
        self.seconds += time.perf_counter() - start
        self.bytes = buffer.numel() * buffer.element_size()


class Trainer:
    """Generator steps, with the critic steps before each, of one rank of a world."""

    def __init__(self, config: RetrainConfig, pixels: NDArray[np.uint8], world: World) -> None:
        training = config.training
        images, order = ArrayImages(pixels), DataOrder(len(pixels), training.batch_size, training.seed, world)
        inputs = StepInputs(config, RealBatches(images, order, CPU), CPU, world)
        self.steps = StepRunner(new_state(config, CPU), objective_of(training), inputs, Execution(), world)
        self.n_critic, self.batch_size, self.done = training.n_critic, training.batch_size, 0

    def run(self, generator_steps: int) -> float:
        """Seconds that the steps take."""
        start = time.perf_counter()
        for _ in range(generator_steps):
            for step in range(self.done * self.n_critic, (self.done + 1) * self.n_critic):
                self.steps.critic(step)
            self.steps.generator(self.done)
            self.done += 1
        return time.perf_counter() - start


def measure(rank: int, folder: str, case: str, rounds: int, seconds: float) -> None:
    """One of two processes; the first writes its measurements to a file."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/{case}", rank=rank, world_size=2)
    config = load_config("digits", DIGITS, ["training.precision=float32", *CASES[case]])
    size = config.data.image_size
    pixels = np.random.Generator(np.random.Philox(1)).integers(0, 256, (IMAGES, 1, size, size), dtype=np.uint8)
    collective = TimedAllReduce()
    alone = Trainer(config, pixels, ALONE)
    both = Trainer(config, pixels, World(rank, 2, FlatAverage(collective, 2)))
    both.run(1)
    bytes_of_generator = collective.bytes
    both.steps.critic(0)
    bytes_of_critic = collective.bytes
    alone.run(1)
    steps = torch.tensor([max(1, round(seconds / alone.run(1)))])
    torch.distributed.broadcast(steps, 0)
    count = int(steps)
    images = count * both.n_critic * both.batch_size
    speeds: dict[str, list[float]] = {"one": [], "two": [], "share": []}
    for _ in range(rounds):
        torch.distributed.barrier()
        if rank == 0:
            speeds["one"].append(images / alone.run(count))
        torch.distributed.barrier()
        collective.seconds = 0.0
        took = both.run(count)
        speeds["two"].append(2 * images / took)
        speeds["share"].append(collective.seconds / took)
    if rank == 0:
        one, two, share = (statistics.median(speeds[name]) for name in ("one", "two", "share"))
        result = {
            "one_worker_images_per_second": round(one, 1),
            "two_workers_images_per_second": round(two, 1),
            "two_over_twice_one": round(two / (2 * one), 3),
            "share_in_collectives": round(share, 3),
            "critic_bytes": bytes_of_critic,
            "generator_bytes": bytes_of_generator,
            "generator_steps_a_round": count,
        }
        Path(folder, f"{case}.json").write_text(json.dumps(result))
    torch.distributed.destroy_process_group()


def run_case(case: str, rounds: int, seconds: float) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        processes = [context.Process(target=measure, args=(rank, folder, case, rounds, seconds)) for rank in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        result: dict[str, Any] = json.loads(Path(folder, f"{case}.json").read_text())
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long one worker alone takes in a round")
    options = parser.parse_args()
    cases = [options.only] if options.only else list(CASES)
    results = {case: run_case(case, options.rounds, options.seconds) for case in cases}
    print(json.dumps(results))
    print("\n| | one worker | two workers | two over twice one | share in collectives |\n|---|---|---|---|---|")
    for case, found in results.items():
        one, two = found["one_worker_images_per_second"], found["two_workers_images_per_second"]
        ratio, share = found["two_over_twice_one"], found["share_in_collectives"]
        print(f"| {case} | {one:,.0f} images/s | {two:,.0f} images/s | {ratio:.2f} | {share:.1%} |")


if __name__ == "__main__":
    main()
