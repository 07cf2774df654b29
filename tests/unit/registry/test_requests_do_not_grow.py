"""A promotion or rollback asks the registry and the bucket as often after 400 entries as after 40."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.registry.examples import example_decision
from tests.unit.registry.registry_in_memory import MODEL, Process, Servers
from wgan.mlflow_api.models import Models
from wgan.records import LedgerEntry
from wgan.registry import history, promotion
from wgan.registry.history import newest_entries
from wgan.registry.intent import announce, close
from wgan.registry.ledger import append
from wgan.registry.promotion import promote, rollback
from wgan.settings import Settings

SETTINGS = Settings()
REQUESTS = ("model", "version", "newest_versions", "set_alias", "delete_alias", "tag_version", "exists", "get_bytes",
            "put_bytes", "list")  # fmt: skip


class Counting(Process):
    """Counts its requests by their kind."""

    def __init__(self, servers: Servers) -> None:
        super().__init__(servers)
        self.requests: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        if name in REQUESTS:
            self.requests[name] += 1
        return super().__getattribute__(name)


def history_of(entries: int) -> Servers:
    """One version for each entry and one more; every third was promoted, the others were refused."""
    servers = Servers(tags={str(version): {} for version in range(1, entries + 2)})
    process = Process(servers)
    previous, champion, before = None, None, None
    for number in range(1, entries + 1):
        entry = LedgerEntry(
            id=f"{number:012x}", number=number, previous=previous, model_name=MODEL,
            action="promoted" if number % 3 == 1 else "refused",
            time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number),
            from_version=champion, to_version=number, reason="as a test",
        )  # fmt: skip
        announce(process.models, entry)
        append(entry, process.storage, SETTINGS)
        close(process.models, entry, "done")
        previous = entry.id
        if entry.action == "promoted":
            before, champion = champion, number
    servers.aliases.update(champion=str(champion), previous=str(before))
    return servers


def promoted(process: Process) -> LedgerEntry:
    servers = process.servers
    version, champion = len(servers.tags), int(servers.aliases["champion"])
    return promote((MODEL, version), example_decision(True), SETTINGS, process.storage, expected_champion=champion)


def rolled_back(process: Process) -> LedgerEntry:
    return rollback(MODEL, None, SETTINGS, process.storage, reason="as a test")


def read(process: Process) -> tuple[list[LedgerEntry], bool]:
    return newest_entries(MODEL, 5, SETTINGS, process.storage)


@pytest.mark.parametrize("operation", [promoted, rolled_back, read])
def test_an_operation_takes_as_many_requests_after_a_long_history_as_after_a_short_one(
    operation: Callable[[Process], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for entries in (40, 400):
        process = Counting(history_of(entries))

        @contextmanager
        def opened(settings: Settings, process: Process = process) -> Iterator[Models]:
            yield process.models

        for module in (promotion, history):
            monkeypatch.setattr(module, "registry", opened)
        operation(process)
        counts.append(process.requests)
    assert counts[0] == counts[1]


def test_the_newest_entries_are_the_ledgers_last_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(history_of(40))

    @contextmanager
    def opened(settings: Settings) -> Iterator[Models]:
        yield process.models

    monkeypatch.setattr(history, "registry", opened)
    entries, more = read(process)
    assert ([entry.number for entry in entries], more) == ([36, 37, 38, 39, 40], True)
    entries, more = newest_entries(MODEL, 40, SETTINGS, process.storage)
    assert ([entry.number for entry in entries], more) == (list(range(1, 41)), False)


def test_a_rollback_far_back_reads_the_ledger_as_far_as_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = history_of(100)
    process = Process(servers)

    @contextmanager
    def opened(settings: Settings) -> Iterator[Models]:
        yield process.models

    monkeypatch.setattr(promotion, "registry", opened)
    rollback(MODEL, 4, SETTINGS, process.storage, reason="as a test")
    assert servers.aliases["champion"] == "4"
    assert servers.aliases["previous"] == "1"
