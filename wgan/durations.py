"""Durations in words, as coarse as an estimate."""

from __future__ import annotations

MINUTE, HOUR, DAY = 60, 3600, 86_400
IN_SECONDS = 90
"""Shorter durations are given in seconds."""


def spoken(seconds: float) -> str:
    """`45 s`, `9 min`, `2 h 49 min`, `3 days 4 h`: two units at most, and never 0."""
    if round(seconds) < IN_SECONDS:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / MINUTE)
    if minutes < HOUR // MINUTE:
        return f"{minutes} min"
    if minutes < DAY // MINUTE:
        return _two(minutes // 60, "h", minutes % 60, "min")
    hours = round(seconds / HOUR)
    days = hours // 24
    return _two(days, "day" if days == 1 else "days", hours % 24, "h")


def counted(number: int, thing: str, things: str = "") -> str:
    """`1 thread`, `2 threads`, `1,200 steps`; `things` is an irregular plural."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"
