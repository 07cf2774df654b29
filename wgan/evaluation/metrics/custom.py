"""Custom metrics, which `evaluation.metrics` names by import path: shown beside the others, ignored by the gate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wgan.config import EvaluationConfig
from wgan.errors import UsageError
from wgan.plugins import load_plugin, plugin_code

FIELD = "evaluation.metrics"


@dataclass(frozen=True)
class MetricSample:
    """The argument of a custom metric, which is called once per seed."""

    real: NDArray[np.float32]
    """Features of N real images, (N, d)."""
    generated: NDArray[np.float32]
    """Features of N generated ones, (N, d), from the protocol's extractor."""
    images: NDArray[np.uint8]
    """The generated images, (N, C, H, W)."""
    seed: int


def custom_metric_codes(config: EvaluationConfig) -> tuple[str, ...]:
    """Import path and source digest of every metric, for the protocol. Raises what `load_plugin` raises."""
    return tuple(f"{path} {plugin_code(FIELD, path).sha256}" for path in config.metrics)


def compute_custom_metrics(codes: tuple[str, ...], sample: MetricSample) -> dict[str, float]:
    """Function name → value. Raises `UsageError` if one fails or does not return a finite number."""
    paths = [code.partition(" ")[0] for code in codes]
    return {path.rpartition(":")[2]: _value(path, sample) for path in paths}


def _value(path: str, sample: MetricSample) -> float:
    metric = load_plugin(FIELD, path)
    try:
        value = float(metric(sample))
    except Exception as error:  # the code is the user's
        reason = " ".join(str(error).split())
        raise UsageError(f"{FIELD}={path} failed with {type(error).__name__}: {reason}.") from error
    if not math.isfinite(value):
        raise UsageError(f"{FIELD}={path} returned {value} on seed {sample.seed}; it must return a finite number.")
    return value
