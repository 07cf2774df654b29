"""The rules of a configuration: which limits a data set exceeds, and whether that refuses it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tests.unit.data_report.example_data import report_of
from wgan.config_reading import load_config
from wgan.data_report.judgement import judge
from wgan.data_report.record import Acceptance, DataReport, Drift, DriftMetric, SamplesDrift
from wgan.data_rules import DataRules
from wgan.errors import DataRefused
from wgan.records import Interval
from wgan.steps.report_data import require_accepted


@pytest.fixture
def report() -> DataReport:
    """Twenty images of noise, of which one is blank and one is a copy; two classes, one of them small."""
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 32, 32), dtype=np.uint8)
    images[0], images[1] = 0, images[2]
    labels = np.array([0] * 17 + [1] * 3, dtype=np.int64)
    return report_of(images, labels=labels, classes=("many", "few"))


def rules(*assignments: str) -> DataRules:
    return load_config("digits", assignments=assignments).data.rules


def test_a_limit_that_is_exceeded_is_a_warning_by_default(report: DataReport) -> None:
    judged = judge(report, rules())
    assert [rule.rule for rule in judged.broken] == [
        "data.rules.warn.exact_copies",
        "data.rules.warn.blank",
        "data.rules.warn.class_images",
    ]
    assert judged.broken[1].reason == "Blank: 1 of 20 images (5.0%), more than data.rules.warn.blank=0.01 allows."
    assert judged.broken[2].reason == (
        "Classes with too few training images: few 3; data.rules.warn.class_images=10 asks for more."
    )
    assert judged.refusals == ()


def test_a_share_equal_to_its_limit_is_allowed(report: DataReport) -> None:
    assert judge(report, rules("data.rules.refuse.blank=0.05")).refusals == ()


def test_what_is_refused_is_not_also_warned_of(report: DataReport) -> None:
    judged = judge(report, rules("data.rules.refuse.blank=0.02"))
    assert [rule.rule for rule in judged.broken] == [
        "data.rules.refuse.blank",
        "data.rules.warn.exact_copies",
        "data.rules.warn.class_images",
    ]


def test_one_limit_can_be_set_without_losing_the_others() -> None:
    changed = rules("data.rules.warn.blank=0.5", "data.rules.warn.dark=")
    assert (changed.warn.blank, changed.warn.dark, changed.warn.near_copies) == (0.5, None, 0.05)


def test_a_refused_data_set_is_one_sentence_that_says_how_to_overrule_it(report: DataReport) -> None:
    judged = judge(report, rules("data.rules.refuse.blank=0", "data.rules.refuse.exact_copies=0"))
    with pytest.raises(DataRefused) as refused:
        require_accepted(judged)
    assert str(refused.value) == (
        "data set examples aaaaaaaaaaaa is refused. Exact copies: 1 of 20 images (5.0%), more than "
        "data.rules.refuse.exact_copies=0 allows (1 more in the report); nothing is trained on it unless "
        "--accept-data aaaaaaaaaaaa --reason TEXT overrules that."
    )


def test_an_accepted_data_set_is_not_refused(report: DataReport) -> None:
    judged = judge(report, rules("data.rules.refuse.blank=0"))
    decision = Acceptance(digest="a" * 64, reason="a calibration frame", time=datetime(2026, 1, 1, tzinfo=UTC))
    require_accepted(judged.model_copy(update={"accepted": decision}))


def interval(mean: float) -> Interval:
    return Interval(mean=mean, low=mean, high=mean, values=(mean, mean))


def drifted(times: float, of_samples: float) -> Drift:
    fid = DriftMetric(name="fid", title="", new=interval(times), halves=interval(1), difference=interval(times - 1))
    samples = SamplesDrift(new=interval(of_samples), old=interval(1), difference=interval(of_samples - 1))
    return Drift(
        digest="c" * 64, extractor="pixels", images=32, seeds=2, metrics=(fid,), classes=(), samples=samples
    )  # fmt: skip


@pytest.mark.parametrize(
    ("times", "of_samples", "reasons"),
    [
        (2.0, 1.5, []),
        (3.0, 1.0, ["Drift: the Fréchet distance from the data cccccccccccc is 3 times that between two halves of it"]),
        (1.0, 1.7, ["Champion: the Fréchet distance of its samples from this data is 1.7 times that from the data"]),
    ],
)
def test_data_has_moved_beyond_the_rules_on_drift(
    report: DataReport, times: float, of_samples: float, reasons: list[str]
) -> None:
    judged = judge(report.model_copy(update={"drift": drifted(times, of_samples)}), rules())
    assert [reason in (judged.moved or "") for reason in reasons] == [True] * len(reasons)
    assert (judged.moved is None) == (not reasons), "blank images and copies are no drift"


def test_warnings_refuse_nothing(report: DataReport) -> None:
    require_accepted(judge(report, rules()))
