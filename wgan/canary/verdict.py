"""Whether a challenger is worse than the champion, good enough, or neither yet, from what was counted for both.

Failures are compared by Fisher's exact test. Latencies are compared by distribution-free confidence bounds of a
quantile, which are order statistics: the k-th smallest of n values is above the quantile q with the probability
P(Binomial(n, q) < k) (H. A. David, H. N. Nagaraja, *Order Statistics*, section 7.1). The values are known to their
buckets, within which they are interpolated.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from scipy.special import bdtr

from wgan.canary.counters import Counters
from wgan.config_promotion import CanaryConfig
from wgan.records import SideFigures


class Verdict(NamedTuple):
    """The outcome so far, and a sentence with its figures."""

    outcome: Literal["worse", "good", "undecided"]
    reason: str


class Bounds(NamedTuple):
    """A quantile with its lower and upper confidence bound, in seconds."""

    value: float
    low: float
    high: float


def judge(challenger: Counters, champion: Counters, rules: CanaryConfig) -> Verdict:
    """Compare both sides.

    *Worse* is a test with the burden of proof on the champion's side: more failures than chance explains, or a lower
    bound of the challenger's quantile above `latency_factor` times the champion's upper bound. *Good* has the burden on
    the challenger: its upper bound is at most so many times the champion's quantile, on at least `min_requests` each.
    """
    chance = chance_of_failures(challenger, champion)
    if challenger.failures and chance < 1 - rules.confidence:
        return Verdict("worse", f"{_failures(challenger, champion)}: more than chance explains (p = {chance:.1g}).")
    mine, theirs = (quantile_bounds(side, rules.quantile, rules.confidence) for side in (challenger, champion))
    text = _latencies(mine, theirs, rules)
    if mine is not None and theirs is not None and mine.low > rules.latency_factor * theirs.high:
        return Verdict("worse", f"{text}: slower than the {rules.latency_factor:g} times that are allowed.")
    fewest = min(challenger.attempts, champion.attempts)
    if fewest < rules.min_requests:
        counts = f"{challenger.attempts:,} requests of the challenger and {champion.attempts:,} of the champion"
        return Verdict("undecided", f"{counts} are fewer than the {rules.min_requests:,} that each needs.")
    if mine is not None and theirs is not None and mine.high <= rules.latency_factor * theirs.value:
        return Verdict("good", f"{_failures(challenger, champion)}. {text}: at most {rules.latency_factor:g} times.")
    return Verdict("undecided", f"{text}: not shown to be at most {rules.latency_factor:g} times.")


def figures_of(side: Counters, rules: CanaryConfig) -> SideFigures:
    """One side's figures, for the ledger."""
    bounds = quantile_bounds(side, rules.quantile, rules.confidence)
    return SideFigures(
        requests=side.attempts,
        failures=side.failures,
        seconds=bounds and _finite(bounds.value),
        low=bounds and _finite(bounds.low),
        high=bounds and _finite(bounds.high),
    )


def chance_of_failures(challenger: Counters, champion: Counters) -> float:
    """The probability of at least so many of all failures on the challenger's side if both fail equally often.

    Fisher's exact test, one-sided: the upper tail of the hypergeometric distribution.
    """
    mine, all_ = challenger.attempts, challenger.attempts + champion.attempts
    failed = challenger.failures + champion.failures
    most = min(failed, mine)
    total = sum(
        math.exp(_log_choose(failed, hits) + _log_choose(all_ - failed, mine - hits) - _log_choose(all_, mine))
        for hits in range(challenger.failures, most + 1)
        if mine - hits <= all_ - failed
    )
    return min(1.0, total)


def quantile_bounds(side: Counters, quantile: float, confidence: float) -> Bounds | None:
    """The quantile of a side's latencies and its one-sided bounds; None without requests.

    An upper bound that so few requests do not have is infinite, a lower one is 0.
    """
    count = sum(side.counts)
    if not count:
        return None
    rank = max(1, math.ceil(quantile * count))
    # The smallest k with P(Binomial(n, q) < k) ≥ confidence, and the largest with P(Binomial(n, q) ≥ k) ≥ confidence.
    above = next((k for k in range(rank, count + 1) if bdtr(k - 1, count, quantile) >= confidence), None)
    below = next((k for k in range(rank, 0, -1) if 1 - bdtr(k - 1, count, quantile) >= confidence), None)
    return Bounds(
        value=_order_statistic(side, rank),
        low=0.0 if below is None else _order_statistic(side, below),
        high=math.inf if above is None else _order_statistic(side, above),
    )


def _order_statistic(side: Counters, rank: int) -> float:
    """The value of that rank, interpolated within its bucket; infinite in the last bucket, which has no end."""
    lower, passed = 0.0, 0
    for bound, count in zip(side.bounds, side.counts, strict=True):
        if passed + count >= rank:
            return bound if math.isinf(bound) else lower + (bound - lower) * (rank - passed) / count
        lower, passed = bound, passed + count
    raise ValueError(f"there are only {passed} values")


def _log_choose(count: int, chosen: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(chosen + 1) - math.lgamma(count - chosen + 1)


def _failures(challenger: Counters, champion: Counters) -> str:
    return (
        f"{challenger.failures:,} of {challenger.attempts:,} requests failed, "
        f"of the champion's {champion.failures:,} of {champion.attempts:,}"
    )


def _latencies(mine: Bounds | None, theirs: Bounds | None, rules: CanaryConfig) -> str:
    if mine is None or theirs is None:
        return "One side drew no requests"
    percent = f"{100 * rules.quantile:g} %"
    return (
        f"{percent} of its requests took at most {_seconds(mine.value)} (between {_seconds(mine.low)} and "
        f"{_seconds(mine.high)}), of the champion's {_seconds(theirs.value)} (between {_seconds(theirs.low)} and "
        f"{_seconds(theirs.high)})"
    )


def _seconds(value: float) -> str:
    return "any time" if math.isinf(value) else f"{1000 * value:,.3g} ms"


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value
