"""A champion that was moved outside the pipeline is recorded, and put back where the settings say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tests.unit.registry.examples import example_decision
from tests.unit.registry.registry_in_memory import MODEL, Process, Servers
from wgan.mlflow_api.models import Models
from wgan.records import LedgerEntry, ReleasePlan
from wgan.registry import ledger, outside, promotion
from wgan.registry.outside import notice_outside_move
from wgan.registry.promotion import promote
from wgan.settings import Settings

KEEP = Settings(_env_file=None, outside_moves="keep")
REVERT = Settings(_env_file=None, outside_moves="revert")


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    """Versions 1 to 3; 2 is champion after 1."""
    found = Process(Servers(tags={str(version): {} for version in (1, 2, 3)}))

    @contextmanager
    def opened(settings: Settings) -> Iterator[Models]:
        yield found.models

    for module in (outside, promotion):
        monkeypatch.setattr(module, "registry", opened)
    for version, champion in ((1, None), (2, 1)):
        promote((MODEL, version), example_decision(True), KEEP, found.storage, expected_champion=champion)
    return found


def notice(process: Process, settings: Settings) -> tuple[LedgerEntry, ...]:
    return notice_outside_move(MODEL, settings, process.storage)


def story(process: Process) -> list[tuple[str, int]]:
    return [(entry.action, entry.to_version) for entry in ledger.read(MODEL, process.storage, KEEP)][2:]


def test_a_champion_that_the_ledger_set_is_left_alone(process: Process) -> None:
    writes = len(process.writes)
    assert notice(process, REVERT) == ()
    assert len(process.writes) == writes


def test_a_champion_moved_outside_is_recorded_once_with_the_time_it_was_seen(process: Process) -> None:
    process.servers.aliases["champion"] = "3"
    before = datetime.now(UTC)
    (entry,) = notice(process, KEEP)
    assert (entry.action, entry.from_version, entry.to_version) == ("moved-outside", 2, 3)
    assert before <= entry.time <= datetime.now(UTC)
    assert notice(process, KEEP) == ()
    assert story(process) == [("moved-outside", 3)]
    assert process.servers.aliases == {"champion": "3", "previous": "2"}


def test_a_version_on_its_way_is_withdrawn_since_it_was_compared_with_another_champion(process: Process) -> None:
    process.servers.tags["4"] = {}
    promote(
        (MODEL, 4), example_decision(True), KEEP, process.storage,
        expected_champion=2, plan=ReleasePlan(approval=True),
    )  # fmt: skip
    process.servers.aliases["champion"] = "3"
    notice(process, KEEP)
    assert story(process) == [("passed", 4), ("moved-outside", 3), ("withdrawn", 4)]
    assert "challenger" not in process.servers.aliases


def test_it_is_put_back_where_the_settings_say_so(process: Process) -> None:
    process.servers.aliases["champion"] = "3"
    moved, back = notice(process, REVERT)
    assert (moved.action, back.action, back.actor) == ("moved-outside", "rolled-back", "housekeeping")
    assert process.servers.aliases == {"champion": "2", "previous": "1"}
    assert notice(process, REVERT) == ()
    assert story(process) == [("moved-outside", 3), ("rolled-back", 2)]


def test_a_first_champion_set_by_hand_stays_since_there_is_none_before(process: Process) -> None:
    process.servers.objects.clear()
    process.servers.tags["2"].clear()
    (entry,) = notice(process, REVERT)
    assert (entry.action, entry.from_version, entry.to_version) == ("moved-outside", None, 2)


def test_a_model_without_a_champion_is_left_alone(process: Process) -> None:
    del process.servers.aliases["champion"]
    assert notice(process, REVERT) == ()
