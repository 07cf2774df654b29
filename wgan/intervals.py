"""Confidence intervals over seeds (Student t), for one side and for the paired difference of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit

from wgan.records import Interval


def t_interval(values: Sequence[float], confidence: float) -> Interval:
    """Mean of n ≥ 2 independent values and its two-sided Student t interval with n − 1 degrees of freedom."""
    count = len(values)
    if count < 2:
        raise ValueError(f"an interval needs at least 2 values, not {count}")
    mean = float(np.mean(values))
    half = _t_quantile(count - 1, confidence) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return Interval(mean=mean, low=mean - half, high=mean + half, values=tuple(float(value) for value in values))


def within(interval: Interval, least: float, greatest: float) -> Interval:
    """The interval clipped to [least, greatest], the quantity's possible range.

    Student's t ignores bounds; the clipped part contains no possible value, so the coverage of the mean is unchanged.
    """
    return interval.model_copy(update={"low": max(interval.low, least), "high": min(interval.high, greatest)})


def paired_interval(challenger: Interval, champion: Interval, confidence: float) -> Interval:
    """Interval of challenger − champion, seed by seed.

    What both sides share at a seed (the real images, the noise) cancels out, so this is narrower than the difference of
    the two intervals. Raises `ValueError` if the sides were not measured on the same number of seeds.
    """
    pairs = zip(challenger.values, champion.values, strict=True)
    return t_interval([mine - theirs for mine, theirs in pairs], confidence)


@lru_cache
def _t_quantile(degrees: int, confidence: float) -> float:
    return float(stdtrit(degrees, 0.5 + confidence / 2))
