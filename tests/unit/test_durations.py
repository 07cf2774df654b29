"""Durations and counts in words."""

from __future__ import annotations

import pytest

from wgan.durations import counted, spoken


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (1, "1 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (540, "9 min"),
        (3569, "59 min"),
        (3571, "1 h"),
        (10_140, "2 h 49 min"),
        (86_400, "1 day"),
        (90_000, "1 day 1 h"),
        (273_600, "3 days 4 h"),
    ],
)
def test_a_time_has_two_units_at_most(seconds: float, words: str) -> None:
    assert spoken(seconds) == words


@pytest.mark.parametrize(("number", "words"), [(1, "1 thread"), (2, "2 threads"), (1200, "1,200 threads")])
def test_one_is_singular(number: int, words: str) -> None:
    assert counted(number, "thread") == words


def test_an_irregular_plural_can_be_given() -> None:
    assert (counted(1, "class", "classes"), counted(2, "class", "classes")) == ("1 class", "2 classes")
