"""Training on more data than memory holds: python tests/benchmarks/large_data.py [--gigabytes 30] [--seconds 30].

Writes images of noise into one memory-mapped file, larger than the free memory unless a size is given, and trains the
networks of digits.yaml three times, each in a process of its own: on images in memory, on the file read by the step
that needs it, and on the file read ahead by a thread. Prints one JSON object and a table: images per second, their
ratio to the images in memory, and the memory that the process holds at a third, two thirds and the end. Pages of the
file do not count: the system takes them back when it needs them. Reading ahead pays where reading is slow; on a local
disk whose pages stay cached there is little to see.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from wgan.config import RetrainConfig
from wgan.config_reading import load_config
from wgan.training import batches
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.inputs import StepInputs
from wgan.training.objectives import objective_of
from wgan.training.runner import Execution, StepRunner
from wgan.training.state import new_state
from wgan.training.world import ALONE

DIGITS = Path(__file__).with_name("digits.yaml")
WAYS = ("in memory", "read by the step", "read ahead")
IN_MEMORY = 4096
BLOCK = 2**28
NEVER = 2**62


@dataclass(frozen=True)
class Images:
    """Square grey images in an array, in memory or mapped from a file."""

    array: NDArray[np.uint8]

    @property
    def count(self) -> int:
        return len(self.array)

    @property
    def channels(self) -> int:
        return 1

    @property
    def image_size(self) -> int:
        return int(self.array.shape[-1])

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.asarray(self.array[indices])


def write_noise(path: Path, count: int, image_size: int) -> None:
    """A file of `count` images of noise, in blocks, so that it may be larger than memory."""
    generator = np.random.Generator(np.random.SFC64(0))
    left = count * image_size**2
    with path.open("wb") as file:
        while left:
            size = min(left, BLOCK)
            file.write(generator.bytes(size))
            left -= size


def anonymous_bytes() -> int:
    """Memory of this process, except pages of files."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("RssAnon:")[2].split()[0]) * 1024


def train(way: str, path: Path, config: RetrainConfig, seconds: float, answer: Any) -> None:
    """Train on the images; puts images per second and the memory at three times into `answer`."""
    torch.set_num_threads(max(1, psutil.cpu_count() or 1))
    size = config.data.image_size
    if way == "in memory":
        array = np.random.Generator(np.random.SFC64(0)).integers(0, 256, (IN_MEMORY, 1, size, size), dtype=np.uint8)
    else:
        array = np.memmap(path, np.uint8, "r").reshape(-1, 1, size, size)
    batches.READ_AHEAD_BYTES = 0 if way == "read ahead" else NEVER
    device = torch.device("cpu")
    order = DataOrder(len(array), config.training.batch_size, config.training.seed, ALONE)
    inputs = StepInputs(config, RealBatches(Images(array), order, device), device)
    runner = StepRunner(new_state(config, device), objective_of(config.training), inputs, Execution("float32"))
    runner.critic(0)
    taken, held = [], []
    began = time.perf_counter()
    step = 1
    while (now := time.perf_counter()) - began < seconds:
        runner.critic(step)
        step += 1
        taken.append(time.perf_counter() - now)
        if (now - began) * 3 > seconds * (len(held) + 1):
            held.append(anonymous_bytes())
    held.append(anonymous_bytes())
    answer.put((config.training.batch_size / statistics.mean(taken), held))


def main() -> None:
    """Write the file, train the three ways, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    free = psutil.virtual_memory().available / 2**30
    parser.add_argument("--gigabytes", type=float, default=1.25 * free, help="size of the file, in GiB")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each training")
    parser.add_argument("--folder", type=Path, default=None, help="folder of the temporary file")
    given = parser.parse_args()
    config = load_config("digits", DIGITS, [])
    size = config.data.image_size
    count = int(given.gigabytes * 2**30) // size**2
    context = multiprocessing.get_context("spawn")
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "images"
        write_noise(path, count, size)
        for way in WAYS:
            answer = context.Queue()
            process = context.Process(target=train, args=(way, path, config, given.seconds, answer))
            process.start()
            speed, held = answer.get()
            process.join()
            found[way] = {"images_per_second": speed, "anonymous_bytes": held}
    for values in found.values():
        values["ratio"] = values["images_per_second"] / found["in memory"]["images_per_second"]
    print(json.dumps({"gibibytes": given.gigabytes, "free_gibibytes": free, "images": count, "ways": found}))
    print(f"{given.gigabytes:.1f} GiB of images, {free:.1f} GiB of memory free, {size}×{size}")
    for way, values in found.items():
        held = ", ".join(f"{number / 2**20:.0f}" for number in values["anonymous_bytes"])
        print(f"{way:18} {values['images_per_second']:8.0f} images/s   {values['ratio']:.2f}   {held} MiB")


if __name__ == "__main__":
    main()
