"""The gate: better by the paired interval, nothing fallen; every refusal says why."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from tests.unit.evaluation.example_measurements import PROTOCOL, measured, unlabelled
from wgan.config_promotion import PromotionConfig
from wgan.evaluation.gate import decide
from wgan.records import GateDecision

RULES = PromotionConfig()
WORSE_FID = [9.0, 9.2, 8.9, 9.1, 9.0]


def refused(decision: GateDecision) -> list[str]:
    assert decision.promote == all(rule.passed for rule in decision.rules)
    return [rule.name for rule in decision.rules if not rule.passed]


def test_a_better_challenger_is_promoted() -> None:
    decision = decide(measured(), measured(fid=WORSE_FID), RULES)
    assert decision.promote
    assert not decision.first_model
    assert [rule.name for rule in decision.rules] == ["protocol", "fid", "recall", "coverage", "modes"]


def test_a_worse_challenger_is_refused_on_the_frechet_distance() -> None:
    assert refused(decide(measured(fid=WORSE_FID), measured(), RULES)) == ["fid"]


def test_an_identical_challenger_is_refused_because_it_is_not_better() -> None:
    assert refused(decide(measured(), measured(), RULES)) == ["fid"]


def test_a_better_mean_is_not_enough_when_the_interval_reaches_zero() -> None:
    noisy = [4.0, 9.0, 3.0, 10.0, 2.0]  # mean 5.6 against 6
    assert refused(decide(measured(fid=noisy), measured(fid=[6.0] * 5), RULES)) == ["fid"]


def test_the_margin_requires_more_than_a_significant_difference() -> None:
    champion = measured(fid=[5.5, 5.6, 5.4, 5.7, 5.3])  # better by exactly 0.5 on every seed
    assert decide(measured(), champion, PromotionConfig(fid_margin=0.4)).promote
    assert refused(decide(measured(), champion, PromotionConfig(fid_margin=0.6))) == ["fid"]


@pytest.mark.parametrize(
    ("name", "fallen"),
    [
        ("recall", [0.6, 0.61, 0.59, 0.6, 0.6]),
        ("coverage", [0.7, 0.71, 0.69, 0.7, 0.7]),
        ("modes", [7.0, 7.0, 7.0, 7.0, 7.0]),
    ],
)
def test_mode_collapse_is_refused_by_name_though_the_distance_improves(name: str, fallen: list[float]) -> None:
    decision = decide(measured(**{name: fallen}), measured(fid=WORSE_FID), RULES)
    assert refused(decision) == [name]
    assert "down by" in decision.reason


def test_a_fall_within_the_margin_is_allowed() -> None:
    assert decide(measured(recall=[0.77, 0.78, 0.76, 0.77, 0.77]), measured(fid=WORSE_FID), RULES).promote


def test_a_metric_too_noisy_to_exclude_a_fall_refuses() -> None:
    decision = decide(measured(recall=[0.5, 1.0, 0.6, 1.0, 0.95]), measured(fid=WORSE_FID), RULES)
    assert refused(decision) == ["recall"]
    assert "too wide to tell: more images or seeds narrow it" in decision.reason


def test_numbers_of_different_protocols_are_never_compared() -> None:
    other = PROTOCOL.model_copy(update={"sample_count": 5000, "data_digest": "ef" * 32})
    decision = decide(measured(), measured(other, fid=WORSE_FID), RULES)
    assert refused(decision) == ["protocol"]
    assert [rule.name for rule in decision.rules] == ["protocol"]
    assert "different data_digest, sample_count" in decision.reason


def test_data_without_labels_is_judged_without_modes() -> None:
    decision = decide(unlabelled(measured()), unlabelled(measured(fid=WORSE_FID)), RULES)
    assert decision.promote
    assert "modes" not in [rule.name for rule in decision.rules]


def test_a_metric_that_one_side_lacks_refuses() -> None:
    assert refused(decide(unlabelled(measured()), measured(fid=WORSE_FID), RULES)) == ["modes"]


def test_a_refusal_names_the_metric_both_values_the_interval_and_the_rule() -> None:
    champion = measured(fid=[5.2, 5.1, 5.0, 5.2, 4.9])
    rule = decide(measured(), champion, PromotionConfig(fid_margin=2)).rules[1]
    # Differences −0.2, 0, −0.1, 0, −0.1: mean −0.08, standard error 0.0374, t(0.975; 4) = 2.776.
    assert rule.reason == (
        "FID 5 against 5.08: better by 0.08 (95 % CI -0.0239 to 0.184); it must improve by more than 2."
    )


def test_a_worse_distance_is_reported_as_worse_with_its_interval() -> None:
    rule = decide(measured(fid=WORSE_FID), measured(), PromotionConfig(fid_margin=0.5)).rules[1]
    # Differences 4, 4.1, 4, 3.9, 4.2: mean 4.04, standard error 0.051, t(0.975; 4) = 2.776.
    assert rule.reason == "FID 9.04 against 5: worse by 4.04 (95 % CI 3.9 to 4.18); it must improve by more than 0.5."
    assert rule.requirement == "must improve by more than 0.5"


@pytest.mark.parametrize("against", [None, measured(fid=WORSE_FID)])
def test_a_number_that_is_not_finite_never_promotes(against: object) -> None:
    broken = measured(fid=[math.nan] * 5)
    assert "fid" in refused(decide(broken, against, PromotionConfig(max_fid=100)))  # type: ignore[arg-type]


def test_the_gate_works_without_torch() -> None:
    code = "import sys, wgan.evaluation.gate, wgan.metric_text.summary; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
