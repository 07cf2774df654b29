"""How often the gate errs, by simulation: per-seed metric values drawn from normals, the real `decide` on each draw.

The spreads are those measured on digits with 1,024 images: recall and coverage 0.01, modes exact, and the Fréchet
distance's is the unit the improvement is stated in.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.evaluation.example_measurements import PROTOCOL, measured
from wgan.config_promotion import PromotionConfig
from wgan.evaluation.gate import decide
from wgan.records import Measurement

RULES = PromotionConfig()


def drawn(
    draw: np.random.Generator, shared: NDArray[np.float64], fid: float = 0.0, recall: float = 0.8, modes: float = 10.0
) -> Measurement:
    """One side: the luck of the real sample, common to both, plus its own noise."""
    seeds = len(PROTOCOL.seeds)
    return measured(
        fid=list(100 + fid + shared + draw.normal(0, np.sqrt(0.5), seeds)),  # paired differences have deviation 1
        recall=list(draw.normal(recall, 0.01, seeds)),
        coverage=list(draw.normal(0.9, 0.01, seeds)),
        modes=[modes] * seeds,
    )


def promotion_rate(seed: int, trials: int = 500, **challenger: float) -> float:
    draw = np.random.default_rng(seed)
    promoted = 0
    for _ in range(trials):
        shared = draw.normal(0, 3, len(PROTOCOL.seeds))
        promoted += decide(drawn(draw, shared, **challenger), drawn(draw, shared), RULES).promote
    return promoted / trials


def test_equal_generators_are_promoted_at_most_once_in_twenty() -> None:
    # By theory 2.5 % (one side of a 95 % interval); four standard errors of 4,000 trials are 1 %.
    assert promotion_rate(0, trials=4000) == pytest.approx(0.025, abs=0.01)


def test_an_improvement_of_two_deviations_is_promoted_nine_times_in_ten() -> None:
    # Noncentral t with 4 degrees of freedom and shift 2·√5 exceeds 2.776 with probability 0.910.
    assert promotion_rate(1, trials=2000, fid=-2.0) == pytest.approx(0.91, abs=0.025)


def test_a_worse_generator_is_almost_never_promoted() -> None:
    assert promotion_rate(2, fid=1.0) < 0.005


def test_recall_at_the_margin_is_promoted_at_most_once_in_twenty_at_any_distance() -> None:
    rate = promotion_rate(3, trials=4000, fid=-50.0, recall=0.8 - RULES.recall_margin)
    assert rate == pytest.approx(0.025, abs=0.01)


def test_three_modes_of_ten_removed_are_never_promoted() -> None:
    assert promotion_rate(4, fid=-50.0, modes=7.0) == 0.0


def test_a_clear_improvement_with_equal_recall_and_coverage_is_rarely_refused() -> None:
    assert promotion_rate(5, fid=-50.0) > 0.99
