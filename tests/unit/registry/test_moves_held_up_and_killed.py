"""A promotion or rollback held up, or killed, before any of its writes while others continue: the later one wins."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress

import pytest

from tests.unit.registry.examples import example_decision
from tests.unit.registry.registry_in_memory import MODEL, Process, Servers
from wgan.errors import Overtaken, UsageError, WganError
from wgan.records import LedgerEntry, ReleasePlan
from wgan.registry import ledger, operation, promotion, reconciliation
from wgan.registry.ledger_replay import former_champions, moves_champion
from wgan.registry.promotion import DIRECT, promote, rollback
from wgan.settings import Settings

SETTINGS = Settings()
ENOUGH_WRITES = 13
"""More than any move has."""


class Killed(BaseException):
    """Stands in for the end of the process: nothing in the code catches it."""


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(reconciliation, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(operation, "PAUSE_SECONDS", (0.0, 0.01))
    monkeypatch.setattr(ledger, "END", 1)  # most of the ledger is not read unless it is needed

    @contextmanager
    def opened(settings: Settings) -> Iterator[Process]:
        yield CURRENT.process

    monkeypatch.setattr(promotion, "registry", opened)


CURRENT = threading.local()
Move = Callable[[Process], LedgerEntry]


def promotion_of(
    version: int, champion: int | None, passed: bool = True, flow: str | None = None, plan: ReleasePlan = DIRECT
) -> Move:
    def move(process: Process) -> LedgerEntry:
        CURRENT.process = process
        return promote(
            (MODEL, version),
            example_decision(passed),
            SETTINGS,
            process.storage,
            expected_champion=champion,
            flow_run_id=flow,
            plan=plan,
        )

    return move


def back_to(version: int | None) -> Move:
    def move(process: Process) -> LedgerEntry:
        CURRENT.process = process
        return rollback(MODEL, version, SETTINGS, process.storage, reason="as a test")

    return move


APPROVED_BY_A_PERSON = ReleasePlan(approval=True)
MOVES = {
    "promotion": promotion_of(3, champion=2),
    "refusal": promotion_of(3, champion=2, passed=False),
    "passed gate": promotion_of(3, champion=2, plan=APPROVED_BY_A_PERSON),
    "rollback": back_to(None),
}
OTHERS = {"promotion": promotion_of(4, champion=2), "rollback": back_to(None), "rollback to 1": back_to(1)}


@pytest.fixture
def servers() -> Servers:
    """Versions 1 to 4; 2 is champion after 1."""
    servers = Servers(tags={str(version): {} for version in (1, 2, 3, 4)})
    promotion_of(1, champion=None)(Process(servers))
    promotion_of(2, champion=1)(Process(servers))
    return servers


def entries_of(servers: Servers) -> list[LedgerEntry]:
    return ledger.read(MODEL, Process(servers).storage, SETTINGS)


def assert_agreed(servers: Servers) -> None:
    """The aliases agree with the ledger, and every entry starts from the champion of the one before."""
    entries = entries_of(servers)
    assert len({entry.id for entry in entries}) == len(entries) == len(servers.objects)
    moves = [entry for entry in entries if moves_champion(entry)]
    for before, after in itertools.pairwise(moves):
        assert after.from_version == before.to_version
    for before, after in itertools.pairwise(entries):
        assert after.previous == before.id
        assert after.number is not None
        assert before.number == after.number - 1
    assert servers.aliases["champion"] == str(moves[-1].to_version)
    previous = next(iter(former_champions(entries)), None)
    assert servers.aliases.get("previous") == (str(previous) if previous else None)


@pytest.mark.parametrize("pause", range(ENOUGH_WRITES))
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("first", MOVES)
def test_a_move_held_up_before_any_write_never_overrides_a_later_one(
    servers: Servers, first: str, other: str, pause: int
) -> None:
    held, go_on = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        if number == pause:
            held.set()
            go_on.wait(10)

    outcome: list[LedgerEntry | WganError] = []
    slow = Process(servers, hold)

    def run() -> None:
        try:
            outcome.append(MOVES[first](slow))
        except WganError as error:
            outcome.append(error)
        held.set()

    thread = threading.Thread(target=run)
    thread.start()
    held.wait(10)
    last_before = entries_of(servers)[-1]
    try:
        later: LedgerEntry | WganError = OTHERS[other](Process(servers))
    except (Overtaken, UsageError) as error:  # what was held up had made its champion by then
        later = error
    go_on.set()
    thread.join(10)
    assert_agreed(servers)
    entries = entries_of(servers)
    if isinstance(later, LedgerEntry):
        assert servers.aliases["champion"] == str(later.to_version)
        assert [entry for entry in entries if entry.action != "withdrawn"][-1].id == later.id
        if last_before.action == "promoted" and last_before.to_version == 2:  # it had recorded nothing
            assert isinstance(outcome[0], Overtaken)
            assert f"the champion is now version {later.to_version}" in str(outcome[0])
            own = "champion=1" if first == "rollback" else "champion=3"
            assert own not in slow.writes[pause + 1 :], "it checked, and wrote anyway"
    else:
        assert isinstance(outcome[0], LedgerEntry)


@pytest.mark.parametrize("write", range(2, ENOUGH_WRITES))
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("first", MOVES)
def test_a_move_killed_at_any_write_never_makes_the_next_one_fail(
    servers: Servers, first: str, other: str, write: int
) -> None:
    def die(number: int) -> None:
        if number == write:
            raise Killed

    with suppress(Killed):
        MOVES[first](Process(servers, die))
    # The other one may be refused because its premises no longer hold.
    with suppress(Overtaken, UsageError) if servers.aliases["champion"] != "2" else nullcontext():
        later = OTHERS[other](Process(servers))
        assert servers.aliases["champion"] == str(later.to_version)
    assert_agreed(servers)


@pytest.mark.parametrize("write", range(ENOUGH_WRITES))
def test_a_killed_promotion_repeated_by_its_flow_run_is_written_once_without_waiting(
    servers: Servers, write: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(number: int) -> None:
        if number == write:
            raise Killed

    move = promotion_of(3, champion=2, flow="flow-3")
    with suppress(Killed):
        move(Process(servers, die))
    monkeypatch.setattr(reconciliation, "PATIENCE_SECONDS", 60.0)
    entry = move(Process(servers))
    assert (entry.action, entry.to_version) == ("promoted", 3)
    assert [found.to_version for found in entries_of(servers)] == [1, 2, 3]
    assert_agreed(servers)


@pytest.mark.parametrize("write", range(ENOUGH_WRITES))
def test_a_promotion_held_up_and_then_killed_is_reverted_by_the_next_operation(servers: Servers, write: int) -> None:
    """Its write arrives after the rollback, and its process no longer exists to revert it."""
    held, go_on = threading.Event(), threading.Event()

    def hold_then_die(number: int) -> None:
        if number == write:
            held.set()
            go_on.wait(10)
        if number == write + 1:
            raise Killed

    def run() -> None:
        with suppress(Killed, WganError):
            MOVES["promotion"](Process(servers, hold_then_die))
        held.set()

    thread = threading.Thread(target=run)
    thread.start()
    held.wait(10)
    back = back_to(1)(Process(servers))
    go_on.set()
    thread.join(10)
    promotion_of(4, champion=1)(Process(servers))
    assert_agreed(servers)
    assert [entry.to_version for entry in entries_of(servers)][-2:] == [back.to_version, 4]


def test_two_moves_that_begin_together_end_one_after_the_other(servers: Servers) -> None:
    for _ in range(20):
        outcomes: list[LedgerEntry | WganError] = []

        def run(move: Move, outcomes: list[LedgerEntry | WganError] = outcomes) -> None:
            try:
                outcomes.append(move(Process(servers)))
            except WganError as error:
                outcomes.append(error)

        champion = int(servers.aliases["champion"])
        others = [version for version in (1, 2, 3, 4) if version != champion]
        threads = [
            threading.Thread(target=run, args=[promotion_of(others[0], champion)]),
            threading.Thread(target=run, args=[back_to(others[1])]),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert any(isinstance(outcome, LedgerEntry) for outcome in outcomes), outcomes
        assert_agreed(servers)


def test_a_manual_move_to_a_reverted_version_is_respected(servers: Servers) -> None:
    def die(number: int) -> None:
        if number == 2:
            raise Killed

    with pytest.raises(Killed):
        MOVES["promotion"](Process(servers, die))
    back_to(1)(Process(servers))
    servers.aliases["champion"] = "3"  # as a late write of the abandoned operation would
    promotion_of(4, champion=1)(Process(servers))
    assert [entry.to_version for entry in entries_of(servers)] == [1, 2, 1, 4]
    servers.aliases["champion"] = "3"
    back_to(1)(Process(servers))
    found = [(entry.action, entry.from_version, entry.to_version) for entry in entries_of(servers)][-2:]
    assert found == [("moved-outside", 4, 3), ("rolled-back", 3, 1)]
