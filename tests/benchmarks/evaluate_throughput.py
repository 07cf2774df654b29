"""How fast the metrics are on given features: python tests/benchmarks/evaluate_throughput.py [--count 5000].

Prints one JSON object. The same features go to this project and to kept libraries, one after the other in every round,
so that other work on the machine affects all of them alike; a figure is the median of the rounds in seconds, and
`ratio` is theirs / ours, above 1 where this project is faster:

    frechet  the Fréchet distance; torch-fidelity (float64, eigenvalues of the product, statistics included)
    kernel   the kernel distance of all features at once; torch-fidelity's and torchmetrics' polynomial MMD
    prdc     precision, recall, density and coverage; torch-fidelity's precision and recall alone (float32)

`cached` is ours with the real side already known, as every evaluation after the first finds it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kernel_mmd
from torch_fidelity.metric_prc import calculate_precision_recall_part
from torchmetrics.image.kid import poly_mmd

from wgan.evaluation.metrics.frechet import frechet_distance
from wgan.evaluation.metrics.kernel import kernel_distance, mean_kernel
from wgan.evaluation.metrics.prdc import prdc, squared_radii

NEIGHBOURS = 5
KERNEL = {
    "kid_kernel": "poly",
    "kid_kernel_poly_degree": 3,
    "kid_kernel_poly_gamma": None,
    "kid_kernel_poly_coef0": 1.0,
}


def contestants(count: int, dimension: int) -> dict[str, dict[str, Callable[[], Any]]]:
    """Metric → who computes it → how."""
    draw = np.random.default_rng(0)
    mixing = draw.standard_normal((dimension, dimension)) / np.sqrt(dimension)
    real = (draw.standard_normal((count, dimension)) @ mixing).astype(np.float32)
    generated = (draw.standard_normal((count, dimension)) @ mixing * 1.1 + 0.1).astype(np.float32)
    real_tensor, generated_tensor = torch.from_numpy(real), torch.from_numpy(generated)
    real64, generated64 = real.astype(np.float64), generated.astype(np.float64)
    real_mean, radii = mean_kernel(real), squared_radii(real, NEIGHBOURS)

    def their_frechet() -> Any:
        statistics_of_both = [fid_features_to_statistics(features) for features in (generated_tensor, real_tensor)]
        return fid_statistics_to_metric(*statistics_of_both, verbose=False)

    return {
        "frechet": {"ours": lambda: frechet_distance(real, generated), "torch_fidelity": their_frechet},
        "kernel": {
            "ours": lambda: kernel_distance(real, generated),
            "cached": lambda: kernel_distance(real, generated, real_mean=real_mean),
            "torch_fidelity": lambda: kernel_mmd(real64, generated64, **KERNEL),
            "torchmetrics": lambda: poly_mmd(real_tensor.double(), generated_tensor.double()),
        },
        "prdc": {
            "ours": lambda: prdc(real, generated, NEIGHBOURS),
            "cached": lambda: prdc(real, generated, NEIGHBOURS, real_radii=radii),
            "torch_fidelity": lambda: calculate_precision_recall_part(generated_tensor, real_tensor, NEIGHBOURS),
        },
    }


def measure(count: int, dimension: int, rounds: int) -> dict[str, Any]:
    """Medians over all rounds; each contestant runs once per round."""
    metrics = contestants(count, dimension)
    seen = {name: {who: [] for who in turns} for name, turns in metrics.items()}  # type: ignore[var-annotated]
    for _ in range(rounds):
        for name, turns in metrics.items():
            for who, compute in turns.items():
                start = time.perf_counter()
                compute()
                seen[name][who].append(time.perf_counter() - start)
    report: dict[str, Any] = {}
    for name, turns in seen.items():
        seconds = {who: statistics.median(values) for who, values in turns.items()}
        theirs = {who: value for who, value in seconds.items() if who not in ("ours", "cached")}
        report[name] = {
            "seconds": {who: round(value, 4) for who, value in seconds.items()},
            "ratio": {who: round(value / seconds["ours"], 2) for who, value in theirs.items()},
        }
        if "cached" in seconds:
            report[name]["ratio_cached"] = {who: round(value / seconds["cached"], 2) for who, value in theirs.items()}
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds per metric, this project against kept libraries, as JSON.")
    parser.add_argument("--count", type=int, default=5000, help="real and generated images each")
    parser.add_argument("--dimension", type=int, default=64, help="features of an image")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = {"count": options.count, "dimension": options.dimension, "threads": torch.get_num_threads()}
    print(json.dumps(settings | measure(options.count, options.dimension, options.rounds), indent=2))


if __name__ == "__main__":
    main()
