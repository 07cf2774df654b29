"""A worker's checks of scheduled runs: a lasting failure and its end are reported once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from flows import worker
from wgan.settings import Settings


def said_over(outcomes: list[Exception | None], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The worker's messages during checks with these outcomes."""
    said: list[str] = []
    left = iter(outcomes)

    def look(settings: Settings, silent: object, say: Callable[[str], None]) -> None:
        outcome = next(left, KeyboardInterrupt())
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(worker, "WATCH_SECONDS", 0.001)
    monkeypatch.setattr(worker, "supervise_runs", look)
    with suppress(KeyboardInterrupt):
        asyncio.run(worker._watch(Settings(_env_file=None), (), said.append))
    return said


def test_a_few_failures_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [ConnectionError("refused")] * (worker.REPORTED_FAILURES - 1)
    assert said_over([*few, None, *few, None], monkeypatch) == []


def test_a_lasting_failure_and_its_end_are_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [ConnectionError("refused")] * (worker.REPORTED_FAILURES + 3)
    assert said_over([*many, None, None], monkeypatch) == [
        "Crashed runs are not restarted for now: the last 6 checks of the runs failed (refused).",
        "Crashed runs are restarted again.",
    ]
