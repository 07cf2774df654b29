"""A first model has no champion: it must meet its floors and be better than the same network before training."""

from __future__ import annotations

import math

import pytest

from tests.unit.evaluation.example_measurements import PROTOCOL, measured, unlabelled
from wgan.config_promotion import PromotionConfig
from wgan.evaluation.gate import decide
from wgan.records import Bounds, EvaluationProtocol, GateDecision, Measurement

UNTRAINED = {
    "fid": [90.0, 91.0, 89.0, 90.0, 92.0],
    "recall": [0.0] * 5,
    "coverage": [0.01] * 5,
    "modes": [1.0] * 5,
}
PIXELS = PROTOCOL.model_copy(update={"extractor": "pixels", "extractor_accuracy": None})


def bounds(protocol: EvaluationProtocol = PROTOCOL, **untrained: list[float]) -> Bounds:
    return Bounds(real_images=None, untrained=measured(protocol, **(UNTRAINED | untrained)))


def judged(
    challenger: Measurement, config: PromotionConfig, lower: Bounds | None = None, classes: int = 10
) -> GateDecision:
    return decide(challenger, None, config, lower or bounds(challenger.protocol), classes)


def refused(decision: GateDecision) -> list[str]:
    assert decision.promote == all(rule.passed for rule in decision.rules)
    return [rule.name for rule in decision.rules if not rule.passed]


def test_a_first_model_must_meet_the_floors_with_its_whole_interval() -> None:
    floors = PromotionConfig(max_fid=5.5, min_recall=0.7, min_coverage=0.8, min_modes=9)
    decision = judged(measured(), floors)
    assert decision.promote
    assert decision.first_model
    assert [rule.name for rule in decision.rules] == ["fid", "recall", "coverage", "modes", "untrained"]
    # The mean of the distance is 5.0, but its interval reaches 5.196.
    assert refused(judged(measured(), floors.model_copy(update={"max_fid": 5.1}))) == ["fid"]


@pytest.mark.parametrize("floor", ["min_recall", "min_coverage", "min_modes"])
def test_a_first_model_below_a_floor_is_refused_by_name(floor: str) -> None:
    limit = {"min_recall": 0.9, "min_coverage": 0.95, "min_modes": 11}[floor]
    decision = judged(measured(), PromotionConfig.model_validate({floor: limit}))
    assert refused(decision) == [floor.removeprefix("min_")]
    assert "for a first model: lower bound at least" in decision.reason


def test_a_floor_on_modes_does_not_concern_data_without_labels() -> None:
    lower = Bounds(real_images=None, untrained=unlabelled(measured(**UNTRAINED)))
    assert judged(unlabelled(measured()), PromotionConfig(max_fid=6, min_modes=9), lower, classes=0).promote


def test_a_first_model_without_floors_says_so() -> None:
    decision = judged(measured(), PromotionConfig())
    assert decision.promote
    assert "sets no floor" in decision.rules[0].reason


def test_features_of_pixels_alone_never_promote_a_first_model_and_the_refusal_says_what_to_set() -> None:
    decision = judged(measured(PIXELS), PromotionConfig(beat_untrained=False))
    assert refused(decision) == ["floors"]
    assert decision.reason == (
        "Distances between pixels alone cannot show that a first model is good, and the configuration sets no floor. "
        "Look at the samples and set promotion.max_fid and promotion.min_recall (this model has 5 and 0.8, the "
        "untrained network 90.4 and 0), or measure with evaluation.extractor=imagenet-lite."
    )


def test_features_of_pixels_promote_a_first_model_that_meets_a_floor() -> None:
    assert judged(measured(PIXELS), PromotionConfig(max_fid=6)).promote


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("fid", [5.0, 5.0, 5.0, 5.1, 4.9]),
        ("recall", [0.80, 0.81, 0.79, 0.80, 0.80]),
        ("coverage", [0.95] * 5),
    ],
)
def test_one_metric_in_which_the_untrained_network_is_as_good_refuses_a_first_model(
    name: str, values: list[float]
) -> None:
    decision = judged(measured(), PromotionConfig(max_fid=6), bounds(**{name: values}))
    assert refused(decision) == ["untrained"]
    assert "Not shown to be better than the same network before training" in decision.reason


def test_the_refusal_names_both_values_and_the_interval_of_their_difference() -> None:
    # Differences of recall −0.02 on every seed but the second, −0.01, and the third, −0.03: t(0.975; 4) = 2.776 and a
    # standard error of 0.00316 make the interval −0.0288 to −0.0112.
    decision = judged(measured(), PromotionConfig(max_fid=6), bounds(recall=[0.82] * 5))
    assert decision.reason == (
        "Not shown to be better than the same network before training: Recall 0.8 against 0.82 (difference -0.02, "
        "95 % CI -0.0288 to -0.0112); a first model must be. Train it longer or with other parameters."
    )


def test_a_lead_within_the_noise_of_the_seeds_is_none() -> None:
    noisy = bounds(recall=[0.0, 1.0, 0.0, 1.0, 0.0])  # differences from −0.19 to 0.8
    assert refused(judged(measured(), PromotionConfig(max_fid=6), noisy)) == ["untrained"]


def test_a_generator_that_captures_every_class_passes_whatever_the_untrained_network_captures() -> None:
    both = bounds(modes=[10.0] * 5)
    assert judged(measured(), PromotionConfig(max_fid=6), both, classes=10).promote
    assert refused(judged(measured(), PromotionConfig(max_fid=6), both, classes=11)) == ["untrained"]


def test_an_untrained_network_of_another_protocol_is_not_compared_with() -> None:
    other = bounds(PROTOCOL.model_copy(update={"sample_count": 99}))
    decision = judged(measured(), PromotionConfig(max_fid=6), other)
    assert refused(decision) == ["untrained"]
    assert "not measured under the same protocol" in decision.reason


def test_the_comparison_with_the_untrained_network_can_be_turned_off() -> None:
    assert judged(measured(), PromotionConfig(max_fid=6, beat_untrained=False), bounds(recall=[0.9] * 5)).promote


def test_a_distance_that_is_not_finite_never_promotes_a_first_model() -> None:
    broken = measured(fid=[math.nan] * 5)
    assert refused(judged(broken, PromotionConfig(max_fid=100))) == ["fid", "untrained"]
