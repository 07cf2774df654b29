"""A summary warns whenever the untrained network does as well as the trained one in a metric that the gate judges."""

from __future__ import annotations

import pytest

from tests.unit.evaluation.example_measurements import PROTOCOL, measured
from tests.unit.registry.examples import example_config, example_evaluation
from wgan.evaluation.rule_text import TITLES
from wgan.metric_text.summary import judgement_markdown
from wgan.metric_text.untrained import LOWER_IS_BETTER, untrained_warning
from wgan.records import Bounds, EvaluationRef, Measurement

POOR = {"fid": [90.0, 91.0, 89.0, 90.0, 92.0], "recall": [0.0] * 5, "coverage": [0.01] * 5, "modes": [1.0] * 5}


def judged(untrained: Measurement, trained: Measurement | None = None) -> EvaluationRef:
    bounds = Bounds(real_images=None, untrained=untrained)
    evaluation = example_evaluation(example_config())
    return evaluation.model_copy(update={"challenger": trained or measured(), "bounds": bounds})


def test_a_network_that_learnt_in_every_judged_metric_needs_no_warning() -> None:
    assert untrained_warning(judged(measured(**POOR))) is None


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("fid", [5.0, 5.0, 5.0, 5.1, 4.9], "Fréchet distance 5 untrained, 5 trained"),
        ("recall", [0.9] * 5, "recall 0.9 untrained, 0.8 trained"),
        ("coverage", [0.90, 0.91, 0.89, 0.90, 0.90], "coverage 0.9 untrained, 0.9 trained"),
        ("modes", [1.5] * 5, "modes 1.5 untrained, 1.5 trained"),
    ],
)
def test_one_metric_in_which_the_untrained_network_is_as_good_is_enough(
    name: str, values: list[float], said: str
) -> None:
    warning = untrained_warning(judged(measured(**{**POOR, name: values}), measured(modes=[1.5] * 5)))
    assert warning is not None
    assert said in warning
    assert warning.count(" untrained, ") == 1


def test_a_lead_within_the_noise_of_the_seeds_does_not_count() -> None:
    noisy = [0.0, 1.6, 0.0, 1.6, 0.7]
    warning = untrained_warning(judged(measured(**{**POOR, "recall": noisy})))
    assert warning is not None
    assert "recall 0.78 untrained, 0.8 trained" in warning


def test_a_metric_that_the_gate_does_not_judge_gives_no_warning() -> None:
    assert untrained_warning(judged(measured(**POOR, precision=[1.0] * 5))) is None


def test_numbers_of_another_protocol_are_not_compared() -> None:
    other = PROTOCOL.model_copy(update={"sample_count": 99})
    assert untrained_warning(judged(measured(other))) is None


def test_the_warning_covers_every_judged_metric() -> None:
    assert set(LOWER_IS_BETTER) == set(TITLES)


def test_reports_begin_with_the_warning() -> None:
    assert judgement_markdown(judged(measured())).startswith("**Warning.** The untrained network is as good as")
    assert "Warning" not in judgement_markdown(judged(measured(**POOR)))
