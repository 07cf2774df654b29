"""Whether a challenger is worse, good enough, or neither yet; the numbers come from scipy and from closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import fisher_exact

from wgan.canary.counters import Counters
from wgan.canary.verdict import chance_of_failures, figures_of, judge, quantile_bounds
from wgan.config_promotion import CanaryConfig
from wgan.serving.metrics import FINE_SECONDS

RULES = CanaryConfig(min_requests=100)
EDGES = (*FINE_SECONDS, math.inf)


def side(seconds: np.ndarray, failures: int = 0, edges: tuple[float, ...] = EDGES) -> Counters:
    """A side whose requests took so long, in serving's buckets unless others are given."""
    counts, _ = np.histogram(seconds, bins=[0.0, *edges])
    return Counters(requests=len(seconds), failures=failures, bounds=edges, counts=tuple(int(n) for n in counts))


def latencies(count: int, seed: int, factor: float = 1.0) -> np.ndarray:
    """Log-normal around 20 ms."""
    return factor * 0.02 * np.exp(0.3 * np.random.default_rng(seed).standard_normal(count))


@pytest.mark.parametrize(
    ("mine", "theirs"), [((100, 3), (900, 1)), ((50, 0), (50, 5)), ((30, 30), (30, 0)), ((5, 1), (0, 0))]
)
def test_the_chance_of_so_many_failures_is_fishers(mine: tuple[int, int], theirs: tuple[int, int]) -> None:
    table = [[mine[1], mine[0]], [theirs[1], theirs[0]]]
    counters = [Counters(requests=requests, failures=failures) for requests, failures in (mine, theirs)]
    assert chance_of_failures(*counters) == pytest.approx(fisher_exact(table, "greater").pvalue)


def test_the_bounds_of_a_median_are_the_order_statistics_of_the_sign_test() -> None:
    # Of ten values, P(Binomial(10, 1/2) < 9) = 1013/1024 and P(Binomial(10, 1/2) < 8) = 968/1024.
    single = Counters(requests=10, bounds=(*range(1, 11), math.inf), counts=(*(1,) * 10, 0))
    bounds = quantile_bounds(single, 0.5, 0.95)
    assert bounds is not None
    assert (bounds.low, bounds.value, bounds.high) == (2, 5, 9)


def test_few_requests_do_not_bound_a_high_quantile() -> None:
    bounds = quantile_bounds(side(latencies(20, 1)), 0.9, 0.99)  # 0.9^20 = 0.12 of all samples lie below it
    assert bounds is not None
    assert math.isinf(bounds.high)
    assert figures_of(side(latencies(20, 1)), RULES).high is None


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95])
def test_the_bounds_hold_the_true_quantile_as_often_as_their_confidence_says(quantile: float) -> None:
    true = float(np.quantile(latencies(1_000_000, 7), quantile))
    finest = (*np.arange(1, 1000) * 1e-4, math.inf)  # buckets of 0.1 ms, so that only the ranks are tested
    bounds = [quantile_bounds(side(latencies(300, seed), edges=finest), quantile, 0.95) for seed in range(400)]
    below = np.mean([true <= found.high for found in bounds if found])
    above = np.mean([true >= found.low for found in bounds if found])
    # Order statistics are discrete, so the bounds hold at least so often; 0.02 is two deviations of 400 trials.
    assert min(below, above) > 0.95 - 0.02


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95])
def test_the_buckets_of_serving_move_a_quantile_by_a_few_percent(quantile: float) -> None:
    values = latencies(100_000, 3)
    bounds = quantile_bounds(side(values), quantile, 0.95)
    assert bounds is not None
    assert bounds.value == pytest.approx(np.quantile(values, quantile), rel=0.06)


def test_an_equal_challenger_is_good() -> None:
    verdict = judge(side(latencies(300, 1)), side(latencies(3000, 2)), RULES)
    assert verdict.outcome == "good"
    assert "0 of 300 requests failed, of the champion's 0 of 3,000" in verdict.reason


def test_equal_challengers_are_practically_never_called_worse() -> None:
    outcomes = [judge(side(latencies(200, seed)), side(latencies(2000, 10_000 + seed)), RULES).outcome
                for seed in range(200)]  # fmt: skip
    assert outcomes.count("worse") == 0
    assert outcomes.count("good") > 190


def test_a_challenger_that_takes_three_times_as_long_is_worse_after_few_requests() -> None:
    verdict = judge(side(latencies(60, 1, factor=3)), side(latencies(600, 2)), RULES)
    assert verdict.outcome == "worse"
    assert "slower than the 1.5 times that are allowed" in verdict.reason


def test_a_challenger_that_fails_more_often_is_worse() -> None:
    verdict = judge(side(latencies(100, 1), failures=4), side(latencies(1000, 2)), RULES)
    assert verdict.outcome == "worse"
    assert verdict.reason.startswith("4 of 104 requests failed, of the champion's 0 of 1,000: more than chance")


def test_a_challenger_that_fails_as_often_as_the_champion_is_not_worse() -> None:
    assert judge(side(latencies(300, 1), failures=3), side(latencies(3000, 2), failures=30), RULES).outcome == "good"


@pytest.mark.parametrize(("mine", "theirs"), [(0, 0), (99, 1000), (1000, 99)])
def test_too_few_requests_on_either_side_decide_nothing(mine: int, theirs: int) -> None:
    verdict = judge(side(latencies(mine, 1)), side(latencies(theirs, 2)), RULES)
    assert verdict.outcome == "undecided"
    assert "fewer than the 100 that each needs" in verdict.reason


def test_a_challenger_near_the_limit_is_neither_worse_nor_good() -> None:
    verdict = judge(side(latencies(200, 1, factor=1.6)), side(latencies(2000, 2)), RULES)
    assert verdict.outcome == "undecided"
    assert "not shown to be at most 1.5 times" in verdict.reason
