"""What follows from a ledger: the last move, the rollback target, the time of the next entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wgan.records import LedgerEntry
from wgan.registry.ledger import latest_move, next_time, predecessor

START = datetime(2026, 1, 1, tzinfo=UTC)
ALL = range(1, 10)


def ledger_of(*moves: str) -> list[LedgerEntry]:
    """`+2`: 2 promoted; `-1`: rolled back to 1; `?3`: 3 refused; `=2`: reconciled to 2."""
    actions = {"+": "promoted", "-": "rolled-back", "?": "refused", "=": "reconciled"}
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
    assert predecessor(ledger_of(*moves), ALL) == expected


def test_a_version_deleted_from_the_registry_is_skipped() -> None:
    assert predecessor(ledger_of("+1", "+2", "+3"), versions=(1, 3)) == 1


def test_a_refusal_does_not_move_the_champion() -> None:
    last = latest_move(ledger_of("+1", "+2", "?3"))
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
