"""Trainings next to other work on the same processors: python tests/benchmarks/beside_other_work.py [--seconds 10].

Trains the networks of digits.yaml alone, twice beside each other, and beside processes that keep every processor busy:
with OpenMP's default for how long a thread spins before it sleeps, with the one that `wgan` sets (GOMP_SPINCOUNT), with
a shorter one, and with one thread each. Prints one JSON object and a table. Ideal are 1.00 for the two together, and
for one beside as many busy processes as there are processors its fair share, 0.50.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
DIGITS = Path(__file__).with_name("digits.yaml")
MEMBER = "--member"
THREADS = "OMP_NUM_THREADS"


def train(seconds: float) -> None:
    """Train for so long, and print the real images per second."""
    import torch

    from tests.benchmarks.train_throughput import Noise
    from wgan.config_reading import load_config
    from wgan.training.batches import DataOrder, RealBatches
    from wgan.training.device import limit_threads
    from wgan.training.inputs import StepInputs
    from wgan.training.objectives import objective_of
    from wgan.training.runner import Execution, StepRunner
    from wgan.training.state import new_state
    from wgan.training.world import ALONE

    limit_threads()
    config, device = load_config("digits", DIGITS, []), torch.device("cpu")
    images = Noise(1, config.data.image_size)
    order = DataOrder(images.count, config.training.batch_size, 0, ALONE)
    inputs = StepInputs(config, RealBatches(images, order, device), device)
    runner = StepRunner(new_state(config, device), objective_of(config.training), inputs, Execution("float32"))
    runner.critic(0)
    print("ready", flush=True)
    sys.stdin.readline()
    began, step = time.perf_counter(), 1
    while time.perf_counter() - began < seconds:
        runner.critic(step)
        step += 1
    print(config.training.batch_size * (step - 1) / (time.perf_counter() - began))


def speeds(members: int, seconds: float, setting: Mapping[str, str]) -> list[float]:
    """Images per second of so many trainings that begin together, with these variables and no others of OpenMP's."""
    environment = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", THREADS)}
    environment |= setting
    command = [sys.executable, __file__, MEMBER, "--seconds", str(seconds)]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) for _ in range(members)]
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [float(process.communicate()[0]) for process in running]


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def main() -> None:
    """Measure with both settings, print."""
    from wgan.processors import usable_processors
    from wgan.settings import Settings
    from wgan.stack import client_environment

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each training")
    parser.add_argument("--only", choices=("default", "own", "short", "one"), help="one of the four settings")
    parser.add_argument(MEMBER, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.member:
        train(given.seconds)
        return
    processors = usable_processors().count
    own = client_environment(Settings(_env_file=None))["GOMP_SPINCOUNT"]
    settings: dict[str, dict[str, str]] = {
        "default": {},
        "own": {"GOMP_SPINCOUNT": own},
        "short": {"GOMP_SPINCOUNT": "1000"},
        "one": {THREADS: "1"},
    }
    table = {}
    for choice, setting in settings.items():
        if given.only not in (None, choice):
            continue
        name = ", ".join(f"{variable}={value}" for variable, value in setting.items()) or "OpenMP's default"
        (alone,) = speeds(1, given.seconds, setting)
        together = speeds(2, given.seconds, setting)
        with busy(processors):
            (beside,) = speeds(1, given.seconds, setting)
        table[name] = {
            "alone": alone,
            "two": together,
            "two_over_alone": sum(together) / alone,
            "beside_busy": beside,
            "beside_busy_over_alone": beside / alone,
        }
    print(json.dumps({"processors": processors, "busy_processes": processors, "settings": table}))
    print(f"{processors} processors; images/s; beside: {processors} busy processes")
    print(f"{'':24} {'alone':>8} {'two':>8} {'ratio':>6} {'beside':>8} {'ratio':>6}")
    for name, found in table.items():
        print(
            f"{name:24} {found['alone']:8.0f} {sum(found['two']):8.0f} {found['two_over_alone']:6.2f} "
            f"{found['beside_busy']:8.0f} {found['beside_busy_over_alone']:6.2f}"
        )


if __name__ == "__main__":
    main()
