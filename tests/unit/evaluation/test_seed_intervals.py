"""Student t intervals: scipy's own, textbook quantiles, pairing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from wgan.intervals import paired_interval, t_interval, within


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_agrees_with_scipys_t_interval(confidence: float) -> None:
    values = [3.1, 2.7, 4.4, 3.9, 3.0]
    found = t_interval(values, confidence)
    low, high = stats.t.interval(confidence, 4, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.values == tuple(values)


def test_two_values_use_the_textbook_quantile_of_one_degree_of_freedom() -> None:
    # t(0.975; 1) = 12.706, standard error of {0, 2} is 1.
    assert t_interval([0.0, 2.0], 0.95).high == pytest.approx(1 + 12.706, abs=1e-3)


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = t_interval([7.0] * 5, 0.95)
    assert (found.low, found.mean, found.high) == (7.0, 7.0, 7.0)


def test_effects_shared_at_a_seed_cancel_in_the_paired_difference() -> None:
    luck = np.array([0.0, 10.0, -7.0, 3.0])
    challenger, champion = t_interval(list(luck + 1), 0.95), t_interval(list(luck), 0.95)
    difference = paired_interval(challenger, champion, 0.95)
    assert difference.mean == pytest.approx(1.0)
    assert difference.high - difference.low == pytest.approx(0, abs=1e-9)
    assert challenger.high - challenger.low > 20


def test_sides_with_different_numbers_of_seeds_are_not_paired() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired_interval(t_interval([1.0, 2.0], 0.95), t_interval([1.0, 2.0, 3.0], 0.95), 0.95)


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        t_interval([1.0], 0.95)


def test_an_interval_is_clipped_to_the_metrics_range() -> None:
    recall = t_interval([0.80, 0.99, 0.93], 0.95)
    assert recall.high > 1  # Student's t knows no bounds
    cut = within(recall, 0.0, 1.0)
    assert (cut.low, cut.high) == (recall.low, 1.0)
    assert (cut.mean, cut.values) == (recall.mean, recall.values)


def test_an_interval_inside_the_range_is_unchanged() -> None:
    inside = t_interval([0.5, 0.51, 0.49], 0.95)
    assert within(inside, 0.0, 1.0) == inside
