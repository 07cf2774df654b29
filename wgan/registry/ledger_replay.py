"""What the ledger says about today: the last move of the champion, and the champions that a rollback returns to."""

from __future__ import annotations

from collections.abc import Iterable

from wgan.records import LedgerEntry

MOVES = ("promoted", "rolled-back", "reconciled", "moved-outside")
"""Actions that change the champion."""
ON_THE_WAY = ("passed", "approved", "canary")
"""Actions after which a version is the challenger."""


def moves_champion(entry: LedgerEntry) -> bool:
    """Whether the entry changed the champion."""
    return entry.action in MOVES


def latest_move(entries: Iterable[LedgerEntry]) -> LedgerEntry | None:
    """The last entry that changed the champion; None if there never was one."""
    moves = [entry for entry in entries if moves_champion(entry)]
    return moves[-1] if moves else None


def former_champions(entries: Iterable[LedgerEntry], whole: bool = True) -> tuple[int, ...]:
    """The champions before today's that a rollback may return to, the last one first.

    Replays the ledger as a stack: a promotion pushes a version; a rollback pops versions until its target is on top (or
    replaces the top with its target), so that rolling back twice goes two versions back instead of forward again.
    Unless `whole`, the entries are the ledger's last ones, and so are the champions: earlier ones are unknown.
    """
    stack: list[int] = []
    for entry in entries:
        if not moves_champion(entry):
            continue
        if entry.action == "promoted":
            stack.append(entry.to_version)
        elif entry.to_version in stack:
            while stack[-1] != entry.to_version:
                stack.pop()
        elif whole:
            if entry.action == "rolled-back" and stack:
                stack.pop()
            stack.append(entry.to_version)
        else:  # whether it was a champion before the first entry is unknown, and so is what is below it
            stack = [entry.to_version]
    return tuple(version for version in reversed(stack[:-1]) if version != stack[-1])
