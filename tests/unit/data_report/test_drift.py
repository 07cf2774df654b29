"""Drift: how far new images are from earlier ones, beside two halves of the earlier ones, and which are unlike them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.data_report.example_data import data_set, report_of
from wgan.config import EvaluationConfig
from wgan.config_reading import load_config
from wgan.data_report.drift import measure_drift
from wgan.data_report.judgement import judge
from wgan.data_report.record import Drift, Finding

PIXELS = EvaluationConfig(extractor="pixels", sample_count=256, seeds=3)
NOTHING: Any = None
"""Settings and storage, which pixels do not need."""


def smooth(seed: int, count: int) -> NDArray[np.uint8]:
    """Grey images whose 8×8 patches are independent and uniform in [64, 192): uint8 (count, 1, 32, 32)."""
    patches = np.random.default_rng(seed).integers(64, 192, (count, 1, 8, 8), dtype=np.uint8)
    return patches.repeat(4, axis=2).repeat(4, axis=3)


def drift_of(before: NDArray[np.uint8], after: NDArray[np.uint8], **labels: Any) -> tuple[Drift, Finding]:
    measured = measure_drift(
        data_set(before, digest="c" * 64, **labels.get("old", {})),
        data_set(after, **labels.get("new", {})),
        lambda position: f"{position}.png",
        PIXELS,
        NOTHING,
        NOTHING,
        "cpu",
        lambda stage, done, total: None,
    )
    assert measured is not None
    return measured


@pytest.mark.parametrize("seed", range(5))
def test_images_of_the_same_kind_do_not_drift(seed: int) -> None:
    drift, unlike = drift_of(smooth(2 * seed, 600), smooth(2 * seed + 1, 600))
    assert drift.times == pytest.approx(1, abs=0.2)
    assert unlike.share < 0.03


def test_images_of_another_kind_are_counted_and_the_farthest_are_named() -> None:
    new = smooth(1, 600)
    new[500:] = np.where(new[500:] < 128, 0, 255)
    drift, unlike = drift_of(smooth(0, 600), new)
    assert unlike.count == pytest.approx(100, rel=0.1)
    assert all(example.position >= 500 for example in unlike.worst)
    assert drift.times > 1.2
    assert all(metric.difference.low > 0 for metric in drift.metrics if metric.name != "coverage")


def test_a_class_that_appears_is_seen_by_its_share() -> None:
    both = {"classes": ("even", "odd")}
    old, new = np.zeros(100, dtype=np.int64), np.array([0, 1] * 50, dtype=np.int64)
    drift, _ = drift_of(smooth(0, 100), smooth(1, 100), old={"labels": old, **both}, new={"labels": new, **both})
    assert [(entry.name, entry.before, entry.after) for entry in drift.classes] == [("even", 1, 0.5), ("odd", 0, 0.5)]


def test_a_brighter_data_set_exceeds_the_limit_of_drift() -> None:
    drift, unlike = drift_of(smooth(0, 600), smooth(1, 600) + np.uint8(40))
    report = report_of(smooth(1, 32))
    report = report.model_copy(update={"drift": drift, "findings": (*report.findings, unlike)})
    rules = load_config("digits", assignments=["data.rules.refuse.drift=1.5"]).data.rules
    [refusal] = judge(report, rules).refusals
    assert refusal.rule == "data.rules.refuse.drift"
    assert refusal.reason.startswith("Drift: the Fréchet distance from the data cccccccccccc is ")


def test_too_few_images_have_no_drift() -> None:
    images = data_set(smooth(0, 20))
    assert measure_drift(images, images, str, PIXELS, NOTHING, NOTHING, "cpu", lambda *_: None) is None
