"""The results of comparing two versions, from which the report is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wgan.config import RetrainConfig
from wgan.metric_text.table import MetricRow, metric_rows
from wgan.records import DatasetRef, EvaluationRef, GateDecision, ModelVersionRef


@dataclass(frozen=True)
class NearestImages:
    """Generated images with their nearest training images in the extractor's features."""

    generated: NDArray[np.uint8]
    """(N, C, H, W)."""
    nearest: NDArray[np.uint8]
    """(N, k, C, H, W), nearest first."""
    distances: NDArray[np.float64]
    """(N, k), Euclidean."""


@dataclass(frozen=True)
class Side:
    """One of the two versions."""

    version: ModelVersionRef
    aliases: tuple[str, ...]
    config: RetrainConfig
    samples: NDArray[np.uint8]
    """(N, C, H, W), drawn from the same noise seed on both sides."""
    nearest: NearestImages | None
    """None if the protocol searches for none."""
    class_counts: NDArray[np.int64] | None
    """Number of a seed's generated images that the classifier assigns to each class, (K,); None without classes."""
    curves: Mapping[int, Mapping[str, float]]
    """Generator step → metric → value; empty if MLflow has no history."""

    @property
    def name(self) -> str:
        """`version 3`."""
        return f"version {self.version.version}"


@dataclass(frozen=True)
class Comparison:
    """The first version in the champion's place, the second as its challenger."""

    model_name: str
    first: Side
    second: Side
    evaluation: EvaluationRef
    """Evaluation of the second version, with the first as champion."""
    decision: GateDecision
    data: DatasetRef
    """The data set both were judged on."""
    seed: int
    """Seed of the noise of all displayed samples."""
    class_names: tuple[str, ...]
    data_shares: NDArray[np.float64] | None
    """Distribution of the data's classes, (K,), sum 1; None without classes."""

    @property
    def sides(self) -> tuple[Side, Side]:
        """First, second."""
        return self.first, self.second

    @property
    def rows(self) -> tuple[MetricRow, ...]:
        """The metrics of both, with real images, the untrained generator and the gate's rules."""
        evaluation = self.evaluation
        return metric_rows(evaluation.challenger, evaluation.champion, self.decision, evaluation.bounds)

    def as_json(self) -> dict[str, Any]:
        """Numbers and decision, without pictures."""
        return {
            "model_name": self.model_name,
            "champion": self.first.version.version,
            "challenger": self.second.version.version,
            "data_digest": self.evaluation.challenger.protocol.data_digest,
            "decision": self.decision.model_dump(mode="json"),
            "bounds": self.evaluation.bounds.model_dump(mode="json") if self.evaluation.bounds else None,
            "differences": {
                row.name: row.difference.model_dump(mode="json") for row in self.rows if row.difference is not None
            },
        }
