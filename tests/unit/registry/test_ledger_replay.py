"""What follows from a ledger: the last move, the rollback target, the time of the next entry."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from wgan.records import LedgerEntry
from wgan.registry.ledger import next_time
from wgan.registry.ledger_replay import former_champions, latest_move

START = datetime(2026, 1, 1, tzinfo=UTC)


def ledger_of(*moves: str) -> list[LedgerEntry]:
    """`+2`: 2 promoted; `-1`: rolled back to 1; `?3`: 3 refused; `=2`: reconciled to 2; `!3`: 3 passed the gate."""
    actions = {"+": "promoted", "-": "rolled-back", "?": "refused", "=": "reconciled", "!": "passed"}
    return [
        LedgerEntry(
            id=f"{index:012x}",
            model_name="generator-x",
            action=actions[move[0]],
            time=START + timedelta(hours=index),
            from_version=None,
            to_version=int(move[1:]),
            reason="why",
        )
        for index, move in enumerate(moves)
    ]


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ((), None),
        (("+1",), None),
        (("+1", "+2"), 1),
        (("+1", "+2", "?3"), 1),
        (("+1", "+2", "!3"), 1),
        (("+1", "+2", "+3", "-2"), 1),  # rolling back twice goes two back, not forward again
        (("+1", "+2", "-1"), None),
        (("+1", "+2", "-1", "+3"), 1),  # 2 was rolled back, so it is not a rollback target
        (("+1", "+2", "+3", "-1"), None),
        (("+1", "+2", "-5"), 1),  # back to one that never was champion: it replaces the bad one
        (("+1", "+2", "+1"), 2),  # an old version promoted again
        (("=4", "+5"), 4),
        (("+1", "+2", "=1"), None),  # somebody moved the alias back in MLflow
        (("+1", "=2"), 1),
    ],
)
def test_a_rollback_returns_to_the_last_champion_that_was_not_rolled_back(
    moves: tuple[str, ...], expected: int | None
) -> None:
    assert next(iter(former_champions(ledger_of(*moves))), None) == expected


def test_former_champions_come_last_one_first() -> None:
    assert former_champions(ledger_of("+1", "+2", "+3", "+4")) == (3, 2, 1)


@pytest.mark.parametrize("length", range(7))
@pytest.mark.parametrize("seed", range(20))
def test_the_end_of_a_ledger_tells_no_other_former_champions_than_all_of_it(seed: int, length: int) -> None:
    drawn = random.Random(seed)
    moves = ledger_of(*(f"{drawn.choice('+-?=!')}{drawn.randint(1, 4)}" for _ in range(8)))
    known = former_champions(moves[-length:] if length else [], whole=False)
    assert former_champions(moves)[: len(known)] == known


def test_neither_a_refusal_nor_a_passed_gate_moves_the_champion() -> None:
    last = latest_move(ledger_of("+1", "+2", "?3", "!4"))
    assert last is not None
    assert last.to_version == 2
    assert latest_move(ledger_of("?1")) is None


def test_entries_stay_in_order_when_another_computers_clock_is_ahead() -> None:
    ahead = ledger_of("+1")[0].model_copy(update={"time": datetime.now(UTC) + timedelta(hours=1)})
    assert next_time([ahead]) > ahead.time


def test_entries_otherwise_have_the_current_time() -> None:
    before = datetime.now(UTC)
    assert before <= next_time(ledger_of("+1", "+2")) <= datetime.now(UTC)


def test_an_implausible_date_does_not_affect_later_entries() -> None:
    forged = ledger_of("+1")[0].model_copy(update={"time": datetime(8999, 12, 31, tzinfo=UTC)})
    assert next_time([forged]) <= datetime.now(UTC)
