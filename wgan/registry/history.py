"""A model's production history, with aliases and ledger brought to agree after a crash between the two."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mlflow import MlflowClient
from pydantic import ValidationError

from wgan.records import LedgerEntry
from wgan.registry import ledger
from wgan.registry.aliases import CHAMPION, PREVIOUS, read_aliases, set_alias
from wgan.registry.client import every
from wgan.registry.listing import GATE_REASON_TAG, GATE_TAG, GATE_TIME_TAG
from wgan.settings import Settings
from wgan.storage import Storage

INTENT_TAG = "promotion"
"""On a version: JSON of the ledger entry that its last promotion or rollback is about to write, or wrote."""


@dataclass(frozen=True)
class History:
    """What the ledger says, and what the aliases say now."""

    entries: tuple[LedgerEntry, ...]
    aliases: dict[str, int]
    versions: frozenset[int]

    @property
    def champion(self) -> int | None:
        """The version in production."""
        return self.aliases.get(CHAMPION)

    @property
    def previous(self) -> int | None:
        """The version a rollback returns to."""
        return self.aliases.get(PREVIOUS)

    def written_by(self, flow_run_id: str | None, version: int | None) -> LedgerEntry | None:
        """The last entry of a flow run (for a version); None when it wrote none yet, or there is no flow run."""
        for entry in reversed(self.entries):
            if flow_run_id is not None and entry.flow_run_id == flow_run_id and version in (None, entry.to_version):
                return entry
        return None


def reconciled_history(client: MlflowClient, model: str, settings: Settings, storage: Storage) -> History:
    """The history, after writing down what the ledger misses and setting `previous` to what the ledger says.

    Where the champion is not the one of the last entry, a process died between moving the alias and writing the
    ledger (then the version still carries the entry), or somebody moved the alias by hand.
    """
    entries = ledger.read(model, storage, settings)
    aliases = read_aliases(client, model)
    versions = frozenset(int(entry.version) for entry in every(client.search_model_versions, f"name = '{model}'"))
    champion = aliases.get(CHAMPION)
    last = ledger.latest_move(entries)
    if champion is not None and champion != (last.to_version if last else None):
        entry = _missing_entry(client, model, champion, entries)
        ledger.append(entry, storage, settings)
        tag_outcome(client, entry)
        entries.append(entry)
    if ledger.predecessor(entries, versions) is not None or aliases.get(PREVIOUS) == champion:
        aliases = move_previous(client, model, entries, aliases, versions)
    return History(tuple(entries), aliases, versions)


def move_previous(
    client: MlflowClient,
    model: str,
    entries: Sequence[LedgerEntry],
    aliases: dict[str, int],
    versions: Collection[int],
) -> dict[str, int]:
    """Set the alias `previous` to the champion before the last entry's; returns the aliases as they are then."""
    target = ledger.predecessor(entries, versions)
    rest = {alias: version for alias, version in aliases.items() if alias != PREVIOUS}
    if aliases.get(PREVIOUS) != target:
        set_alias(client, model, PREVIOUS, target)
    return rest if target is None else {**rest, PREVIOUS: target}


def announce(client: MlflowClient, entry: LedgerEntry) -> None:
    """Leave on the version what is about to happen, so that a crash cannot lose why."""
    client.set_model_version_tag(entry.model_name, str(entry.to_version), INTENT_TAG, entry.model_dump_json())


def tag_outcome(client: MlflowClient, entry: LedgerEntry) -> None:
    """Tag the version with what became of it, when and why."""
    tags = {GATE_TAG: entry.action, GATE_REASON_TAG: entry.reason, GATE_TIME_TAG: entry.time.isoformat()}
    for key, value in tags.items():
        client.set_model_version_tag(entry.model_name, str(entry.to_version), key, value)


def _missing_entry(client: MlflowClient, model: str, champion: int, entries: Sequence[LedgerEntry]) -> LedgerEntry:
    last = ledger.latest_move(entries)
    came_from = last.to_version if last else None
    time = ledger.next_time(entries)
    announced = client.get_model_version(model, str(champion)).tags.get(INTENT_TAG)
    try:
        intent = LedgerEntry.model_validate_json(announced) if announced else None
    except ValidationError:  # written by another version of the code, or by hand: the move is known all the same
        intent = None
    if intent is not None and intent.id not in {entry.id for entry in entries} and intent.from_version == came_from:
        reason = f"An interrupted operation ({intent.action}) was written down afterwards: {intent.reason}"
        return intent.model_copy(update={"action": "reconciled", "time": time, "reason": reason})
    return LedgerEntry(
        id=ledger.new_id(),
        model_name=model,
        action="reconciled",
        time=time,
        from_version=came_from,
        to_version=champion,
        reason="The alias champion was moved outside this pipeline.",
    )
