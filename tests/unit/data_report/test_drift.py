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
from wgan.data_report.record import Drift, Finding, SamplesDrift

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


def test_data_that_has_only_grown_by_more_of_the_same_does_not_drift() -> None:
    old = smooth(0, 600)
    drift, _ = drift_of(old, np.concatenate([old, smooth(1, 60)]))
    assert drift.times == pytest.approx(1, abs=0.2)


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


def samples_drift(shift: int) -> SamplesDrift:
    """Of a generator that draws from the distribution of the old data; the new data is brighter by `shift`."""
    old, new = data_set(smooth(0, 600), digest="c" * 64), data_set(smooth(1, 600) + np.uint8(shift))

    def generate(seed: int, count: int) -> NDArray[np.uint8]:
        return smooth(100 + seed, count)

    measured = measure_drift(old, new, str, PIXELS, NOTHING, NOTHING, "cpu", lambda *_: None, generate)
    assert measured is not None
    assert measured[0].samples is not None
    return measured[0].samples


def test_the_samples_of_a_generator_fit_new_data_of_the_same_kind_as_well_as_its_own() -> None:
    assert samples_drift(shift=0).times == pytest.approx(1, abs=0.2)


def test_the_samples_of_a_generator_do_not_fit_data_that_has_moved() -> None:
    drift = samples_drift(shift=40)
    assert drift.times > 2
    assert drift.difference.low > 0


def test_held_out_images_count_as_part_of_the_data() -> None:
    new = smooth(1, 600)
    new[500:] = np.where(new[500:] < 128, 0, 255)
    held_out = {"held_out": tuple(range(0, 600, 10))}
    _, unlike = drift_of(smooth(0, 600), new, old=held_out, new=held_out)
    assert unlike.among == 600
    assert unlike.count == pytest.approx(100, rel=0.1)


def test_too_few_images_have_no_drift() -> None:
    images = data_set(smooth(0, 20))
    assert measure_drift(images, images, str, PIXELS, NOTHING, NOTHING, "cpu", lambda *_: None) is None
