"""Speed and memory of the data report: python tests/benchmarks/data_report.py [--images 100000].

Writes images of noise, enlarged to 64×64 in colour, into a memory-mapped file, and makes the report on a quarter, half
and all of them, each in a process of its own. Prints one JSON object and a table: images per second of measuring and of
finding the copies, and the largest memory of the process. Pages of the file do not count: the system takes them back
when it needs them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

# A script has only its own folder on the path, and an installed package may provide another `tests`.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.large_data import anonymous_bytes
from tests.unit.data_report.example_data import data_set
from wgan.data_report.make import make_report, measure_data

IMAGE_SIZE, CHANNELS = 64, 3
BLOCK = 4096
WORKERS = 2


def write_images(path: Path, count: int) -> None:
    """A file of `count` images: 8×8 noise, each pixel repeated eight times in both directions."""
    generator = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, count, BLOCK):
            size = (min(BLOCK, count - start), CHANNELS, 8, 8)
            file.write(generator.integers(0, 256, size, dtype=np.uint8).repeat(8, axis=2).repeat(8, axis=3).tobytes())


def report_on(path: Path, count: int) -> dict[str, Any]:
    """Make the report on the first `count` images of the file."""
    images = np.memmap(path, dtype=np.uint8, mode="r", shape=(count, CHANNELS, IMAGE_SIZE, IMAGE_SIZE))
    before, most = anonymous_bytes(), 0

    def watch(stage: str, done: int, total: int | None) -> None:
        nonlocal most
        most = max(most, anonymous_bytes())

    began = time.monotonic()
    data = measure_data(data_set(images), WORKERS, watch)
    measured = time.monotonic()
    report = make_report(data, None)
    ended = time.monotonic()
    return {
        "images": count,
        "measuring_images_per_second": count / (measured - began),
        "findings_images_per_second": count / (ended - measured),
        "images_per_second": count / (ended - began),
        "memory_mib": (max(most, anonymous_bytes()) - before) / 2**20,
        "near_copies": report.finding("near_copies").count,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    images = parser.parse_args().images
    with (
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool,
    ):
        path = Path(folder) / "images"
        write_images(path, images)
        rows = [pool.apply(report_on, (path, images // part)) for part in (4, 2, 1)]
    print(json.dumps({"image_size": IMAGE_SIZE, "channels": CHANNELS, "workers": WORKERS, "rows": rows}))
    print(f"{'images':>9} {'images/s':>9} {'measuring':>10} {'findings':>9} {'MiB':>6}")
    for row in rows:
        print(
            f"{row['images']:>9,} {row['images_per_second']:>9,.0f} {row['measuring_images_per_second']:>10,.0f} "
            f"{row['findings_images_per_second']:>9,.0f} {row['memory_mib']:>6,.0f}"
        )


if __name__ == "__main__":
    main()
