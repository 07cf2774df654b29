"""Weights and their average at the checkpoints of a run: python tests/benchmarks/average_of_a_run.py CHECKPOINT …

Each CHECKPOINT, s3://… or a file, is one of a run with `training.ema_decay`, whose data set is in storage. Measures the
generator with the weights and with their average side by side, under the run's own protocol, and prints JSON and a
table of Fréchet distance, precision and recall, with the paired difference of the distances and its interval.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from wgan.evaluation.side_by_side import measure_sides
from wgan.intervals import paired_interval
from wgan.settings import load_settings
from wgan.steps.measure import fetch_checkpoint, stored_images
from wgan.storage import open_storage
from wgan.training.checkpoint import load_generator, load_run
from wgan.training.sampling import generate_images


def without_average(path: Path, folder: Path) -> tuple[Path, int]:
    """A copy of the checkpoint that has the weights alone, and its step."""
    content = torch.load(path, weights_only=True)
    if content.pop("average", None) is None:
        sys.exit(f"{path} has no average: its run had training.ema_decay=0.")
    torch.save(content, folder / "weights.pt")
    return folder / "weights.pt", content["generator_steps"]


def measure(address: str) -> dict[str, Any]:
    """Means of both, and the difference average − weights of the distances, [mean, low, high]."""
    settings = load_settings()
    storage = open_storage(settings)
    with TemporaryDirectory() as name:
        path = fetch_checkpoint(address, Path(name) / "checkpoint.pt", storage)
        config, digest = load_run(path)
        weights, step = without_average(path, Path(name))
        sides = {"average": load_generator(path), "weights": load_generator(weights)}
    images = stored_images(config.data, digest, settings, storage)
    drawn = {side: partial(generate_images, generator) for side, generator in sides.items()}
    measured = measure_sides(drawn, images, config.evaluation, settings, storage, "cpu")
    metrics = {side: measured[side].metrics for side in sides}
    difference = paired_interval(metrics["average"]["fid"], metrics["weights"]["fid"], config.evaluation.confidence)
    means = {
        side: [round(values[name].mean, 3) for name in ("fid", "precision", "recall")]
        for side, values in metrics.items()
    }
    interval = [round(value, 3) for value in (difference.mean, difference.low, difference.high)]
    return {"step": step, **means, "difference": interval}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT")
    rows = []
    for address in parser.parse_args().checkpoints:
        rows.append(measure(address))
        print(rows[-1], file=sys.stderr, flush=True)
    print(json.dumps(rows))
    print("| step | weights: fid, precision, recall | average | difference of fid |\n|---|---|---|---|")
    for row in rows:
        weights, average = (", ".join(map(str, row[side])) for side in ("weights", "average"))
        mean, low, high = row["difference"]
        print(f"| {row['step']:,} | {weights} | {average} | {mean} [{low}, {high}] |")


if __name__ == "__main__":
    main()
