"""Promotion and rollback against a real registry and object store: the aliases, the ledger, and crashes in between."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.unit.registry.examples import example_decision
from wgan.errors import StorageError, UsageError, WganError
from wgan.mlflow_api.models import Models
from wgan.records import LedgerEntry, ReleasePlan
from wgan.registry import ledger, reconciliation
from wgan.registry import move as moving
from wgan.registry.listing import list_versions
from wgan.registry.promotion import promote, rollback
from wgan.registry.release import promote_challenger
from wgan.registry.versions import champion_version
from wgan.settings import Settings
from wgan.storage import Storage, open_storage


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "PATIENCE_SECONDS", 0.5)


class Killed(BaseException):
    """Stands in for the end of the process: nothing in the code catches it."""


@pytest.fixture(scope="module")
def client(stack: Settings) -> MlflowClient:
    open_storage(stack).ensure_bucket()
    return MlflowClient(stack.mlflow_tracking_uri, stack.mlflow_tracking_uri)


@pytest.fixture(scope="module")
def logged_model(client: MlflowClient) -> str:
    """A logged model without files: promotion reads none."""
    experiment = client.create_experiment(f"promotion tests {uuid.uuid4().hex[:8]}")
    return str(client.create_logged_model(experiment).model_id)


@pytest.fixture
def model(client: MlflowClient, logged_model: str) -> str:
    """A registered model with versions 1 to 4, none of them promoted."""
    name = f"generator-{uuid.uuid4().hex[:8]}"
    client.create_registered_model(name)
    for _ in range(4):
        client.create_model_version(name, source=f"models:/{logged_model}", model_id=logged_model)
    return name


@pytest.fixture
def move(model: str, stack: Settings, storage: Storage) -> Callable[..., LedgerEntry]:
    """Promote a version measured against today's champion; the gate passes unless specified otherwise."""

    def call(version: int, passed: bool = True, **options: Any) -> LedgerEntry:
        options = {"expected_champion": champion_version(model, stack), **options}
        return promote((model, version), example_decision(passed), stack, storage, **options)

    return call


def aliases(client: MlflowClient, model: str) -> dict[str, int]:
    """As MLflow's own client reports them."""
    return {alias: int(version) for alias, version in client.get_registered_model(model).aliases.items()}


def moves(model: str, stack: Settings) -> list[tuple[str, int | None, int]]:
    entries = ledger.read(model, open_storage(stack), stack)
    return [(entry.action, entry.from_version, entry.to_version) for entry in entries]


def storage_that_dies_at(operation: str, settings: Settings) -> Storage:
    """The real store, but the process ends when it sends that request."""
    dying = open_storage(settings)

    def die(**event: object) -> None:
        raise Killed

    dying.client.meta.events.register(f"before-send.s3.{operation}", die)
    return dying


def die_at_alias(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends before that alias is set."""
    real = moving.set_alias

    def set_alias(models: Models, model: str, name: str, version: int | None) -> None:
        if name == alias:
            raise Killed
        real(models, model, name, version)

    for module in (moving, reconciliation):
        monkeypatch.setattr(module, "set_alias", set_alias)


def test_the_first_promotion_makes_a_champion_without_a_previous_one(
    model: str, stack: Settings, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    entry = move(1, flow_run_id="flow-1", actor="ada")
    assert aliases(client, model) == {"champion": 1}
    assert (entry.action, entry.from_version, entry.to_version) == ("promoted", None, 1)
    assert (entry.forced, entry.flow_run_id, entry.actor) == (False, "flow-1", "ada")
    assert entry.decision == example_decision(True)
    assert ledger.read(model, open_storage(stack), stack) == [entry]


def test_a_promotion_makes_the_old_champion_the_rollback_target(
    model: str, stack: Settings, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    move(2)
    assert aliases(client, model) == {"champion": 2, "previous": 1}
    assert moves(model, stack) == [("promoted", None, 1), ("promoted", 1, 2)]


def test_a_refused_version_has_no_alias_and_the_ledger_says_so(
    model: str, stack: Settings, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    entry = move(2, passed=False)
    assert entry.action == "refused"
    assert entry.reason == example_decision(False).reason
    assert aliases(client, model) == {"champion": 1}
    assert moves(model, stack) == [("promoted", None, 1), ("refused", 1, 2)]


def test_a_challenger_that_is_promoted_is_no_longer_the_challenger(
    model: str, stack: Settings, storage: Storage, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    move(2, plan=ReleasePlan(approval=True))
    assert aliases(client, model) == {"champion": 1, "challenger": 2}
    promote_challenger(model, 2, stack, storage, flow_run_id="flow-2")
    assert aliases(client, model) == {"champion": 2, "previous": 1}
    assert moves(model, stack) == [("promoted", None, 1), ("passed", 1, 2), ("promoted", 1, 2)]


def test_a_challenger_set_by_hand_on_a_refused_version_is_removed_by_the_next_operation(
    model: str, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    move(2, passed=False)
    client.set_registered_model_alias(model, "challenger", "2")
    move(3, passed=False)
    assert aliases(client, model) == {"champion": 1}


def test_the_version_is_tagged_with_its_outcome(model: str, stack: Settings, move: Callable[..., LedgerEntry]) -> None:
    entries = [move(1), move(2, passed=False)]
    shown = {entry.version: entry for entry in list_versions(model, 20, stack).versions}
    for entry in entries:
        listed = shown[entry.to_version]
        assert (listed.gate, listed.gate_reason, listed.gate_time) == (entry.action, entry.reason, entry.time)
    assert shown[3].gate is None


def test_force_overrules_the_gate_with_a_reason(model: str, stack: Settings, move: Callable[..., LedgerEntry]) -> None:
    entry = move(1, passed=False, force=True, reason="the reference set was wrong")
    assert (entry.action, entry.forced, entry.reason) == ("promoted", True, "the reference set was wrong")
    assert entry.decision == example_decision(False)
    assert champion_version(model, stack) == 1


def test_force_is_not_recorded_if_the_gate_agrees(move: Callable[..., LedgerEntry]) -> None:
    assert not move(1, force=True, reason="sure").forced


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_force_without_a_reason_is_refused(
    model: str, stack: Settings, move: Callable[..., LedgerEntry], reason: str | None
) -> None:
    with pytest.raises(UsageError, match="needs a reason"):
        move(1, force=True, reason=reason)
    assert champion_version(model, stack) is None


def test_a_version_without_a_decision_is_promoted_only_by_force(model: str, stack: Settings, storage: Storage) -> None:
    with pytest.raises(UsageError, match="has no gate decision"):
        promote((model, 1), None, stack, storage, expected_champion=None)
    forced = promote((model, 1), None, stack, storage, force=True, reason="by a person", expected_champion=None)
    assert (forced.forced, forced.decision) == (True, None)


def test_a_champion_that_moved_since_the_measurement_is_not_overwritten(
    model: str, stack: Settings, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    move(2)
    with pytest.raises(WganError, match="is now version 2, but version 3 was measured against version 1: measure"):
        move(3, expected_champion=1)
    with pytest.raises(WganError, match="measured against no version"):
        move(3, expected_champion=None, passed=False)
    assert moves(model, stack) == [("promoted", None, 1), ("promoted", 1, 2)]


def test_promoting_the_champion_changes_nothing_and_says_so(
    model: str, stack: Settings, move: Callable[..., LedgerEntry]
) -> None:
    move(1, flow_run_id="flow-1")
    with pytest.raises(UsageError, match=r"version 1 of .* is already the champion; nothing was done"):
        move(1, flow_run_id="flow-2")
    assert len(moves(model, stack)) == 1


@pytest.mark.parametrize("passed", [True, False])
def test_a_retry_of_the_same_flow_run_returns_the_entry_it_wrote(
    model: str, stack: Settings, move: Callable[..., LedgerEntry], passed: bool
) -> None:
    first = move(1, passed=passed, flow_run_id="flow-1")
    assert move(1, passed=passed, flow_run_id="flow-1", expected_champion=None) == first
    assert len(moves(model, stack)) == 1


def test_a_retry_does_not_undo_what_was_rolled_back_since(
    model: str, stack: Settings, storage: Storage, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    promoted = move(2, flow_run_id="flow-2")
    rollback(model, None, stack, storage, reason="blurred")
    assert move(2, flow_run_id="flow-2") == promoted
    assert champion_version(model, stack) == 1


def test_a_rollback_returns_to_the_previous_champion_and_the_next_one_goes_back_further(
    model: str, stack: Settings, storage: Storage, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    for version in (1, 2, 3):
        move(version)
    entry = rollback(model, None, stack, storage, reason="blurred", actor="ada")
    assert (entry.action, entry.from_version, entry.to_version) == ("rolled-back", 3, 2)
    assert (entry.reason, entry.actor) == ("blurred", "ada")
    assert aliases(client, model) == {"champion": 2, "previous": 1}
    rollback(model, None, stack, storage, reason="blurred too")
    assert aliases(client, model) == {"champion": 1}
    with pytest.raises(UsageError, match=r"no previous champion to go back to; .* --to \(there are: 1, 2, 3, 4\)"):
        rollback(model, None, stack, storage, reason="again")


def test_a_rollback_goes_to_the_named_version(
    model: str, stack: Settings, storage: Storage, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    for version in (1, 2, 3):
        move(version)
    rollback(model, 1, stack, storage, reason="all others are worse")
    assert aliases(client, model) == {"champion": 1}


def test_a_rollback_to_an_unknown_version_lists_the_existing_ones(
    model: str, stack: Settings, storage: Storage, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    with pytest.raises(UsageError, match=rf"{model} has no version 9: there are 1, 2, 3, 4\."):
        rollback(model, 9, stack, storage, reason="why not")
    with pytest.raises(UsageError, match="there is no registered model 'generator-nope'"):
        rollback("generator-nope", None, stack, storage, reason="why not")
    with pytest.raises(UsageError, match="is already the champion"):
        rollback(model, 1, stack, storage, reason="why not")


def test_a_retried_rollback_goes_back_once(
    model: str, stack: Settings, storage: Storage, move: Callable[..., LedgerEntry]
) -> None:
    for version in (1, 2, 3):
        move(version)
    first = rollback(model, None, stack, storage, reason="blurred", flow_run_id="flow-9")
    assert rollback(model, None, stack, storage, reason="blurred", flow_run_id="flow-9") == first
    assert champion_version(model, stack) == 2


def test_dying_between_champion_and_ledger_loses_nothing(
    model: str, stack: Settings, storage: Storage, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    with pytest.raises(Killed):
        promote(
            (model, 2),
            example_decision(True),
            stack,
            storage_that_dies_at("PutObject", stack),
            flow_run_id="flow-2",
            expected_champion=1,
            actor="ada",
        )
    assert aliases(client, model) == {"champion": 2, "previous": 1}
    assert moves(model, stack) == [("promoted", None, 1)]

    move(3)  # the next operation writes down what is missing, then its own
    assert moves(model, stack) == [("promoted", None, 1), ("reconciled", 1, 2), ("promoted", 2, 3)]
    found = ledger.read(model, storage, stack)[1]
    assert (found.decision, found.flow_run_id, found.actor) == (example_decision(True), "flow-2", "ada")
    assert found.reason.startswith("An interrupted operation (promoted)")
    assert aliases(client, model) == {"champion": 3, "previous": 2}


def test_the_retry_of_a_flow_that_died_before_the_ledger_finishes_its_own_promotion(
    model: str, stack: Settings, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    dying = storage_that_dies_at("PutObject", stack)
    with pytest.raises(Killed):
        promote((model, 2), example_decision(True), stack, dying, flow_run_id="flow-2", expected_champion=1)
    entry = move(2, flow_run_id="flow-2", expected_champion=1)
    # To the flow it is the promotion it began, which serving is to confirm and Prefect to tell of.
    assert (entry.action, entry.to_version, entry.flow_run_id) == ("promoted", 2, "flow-2")
    assert moves(model, stack) == [("promoted", None, 1), ("reconciled", 1, 2)]
    (listed,) = (version for version in list_versions(model, 20, stack).versions if version.version == 2)
    assert (listed.gate, listed.aliases) == ("reconciled", ("champion",))


def test_dying_between_previous_and_champion_does_not_change_the_champion(
    model: str,
    stack: Settings,
    storage: Storage,
    client: MlflowClient,
    move: Callable[..., LedgerEntry],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for version in (1, 2):
        move(version)
    with monkeypatch.context() as patch:
        die_at_alias("champion", patch)
        with pytest.raises(Killed):
            move(3)
    assert champion_version(model, stack) == 2
    rollback(model, None, stack, storage, reason="still goes to the champion before today's")
    assert aliases(client, model) == {"champion": 1}
    assert [action for action, *_ in moves(model, stack)] == ["promoted", "promoted", "rolled-back"]


@pytest.mark.parametrize("died_before", ["previous", "champion", "ledger"])
def test_a_rollback_that_died_anywhere_is_finished_by_its_retry(
    model: str,
    stack: Settings,
    storage: Storage,
    client: MlflowClient,
    move: Callable[..., LedgerEntry],
    monkeypatch: pytest.MonkeyPatch,
    died_before: str,
) -> None:
    for version in (1, 2, 3):
        move(version)
    with monkeypatch.context() as patch:
        if died_before != "ledger":
            die_at_alias(died_before, patch)
        store = storage_that_dies_at("PutObject", stack) if died_before == "ledger" else storage
        with pytest.raises(Killed):
            rollback(model, None, stack, store, reason="blurred", flow_run_id="flow-9")
    entry = rollback(model, None, stack, storage, reason="blurred", flow_run_id="flow-9")
    assert (entry.action, entry.from_version, entry.to_version) == ("rolled-back", 3, 2)
    assert aliases(client, model) == {"champion": 2, "previous": 1}
    assert len(moves(model, stack)) == 4


def test_a_champion_moved_outside_the_pipeline_is_recorded_first(
    model: str, stack: Settings, storage: Storage, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    client.set_registered_model_alias(model, "champion", "3")
    move(2)
    assert moves(model, stack) == [("promoted", None, 1), ("moved-outside", 1, 3), ("promoted", 3, 2)]
    assert ledger.read(model, storage, stack)[1].reason.startswith("The alias champion was moved outside")
    assert aliases(client, model) == {"champion": 2, "previous": 3}


def test_a_previous_champion_that_was_deleted_does_not_stop_promotions(
    model: str, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    for version in (1, 2, 3):
        move(version)
    client.delete_model_version(model, "2")
    move(4)
    assert aliases(client, model) == {"champion": 4, "previous": 3}
    client.delete_model_version(model, "3")
    move(1)
    assert aliases(client, model) == {"champion": 1, "previous": 4}


def test_an_unreachable_object_store_leaves_the_aliases_unchanged(
    model: str, stack: Settings, client: MlflowClient, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    absent = open_storage(stack.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"}))
    with pytest.raises(StorageError, match="does not answer"):
        promote((model, 2), example_decision(True), stack, absent, expected_champion=1)
    assert aliases(client, model) == {"champion": 1}


def test_a_ledger_entry_is_never_overwritten(
    model: str, stack: Settings, storage: Storage, move: Callable[..., LedgerEntry]
) -> None:
    entry = move(1)
    with pytest.raises(StorageError, match="never overwritten"):
        ledger.append(entry.model_copy(update={"reason": "another"}), storage, stack)
    assert ledger.read(model, storage, stack) == [entry]


def test_a_ledgers_entries_are_numbered_and_each_names_the_one_before(
    model: str, stack: Settings, storage: Storage, move: Callable[..., LedgerEntry]
) -> None:
    entries = [move(version) for version in (1, 2, 3)]
    keys = [found.key for found in storage.list(f"{stack.promotions_prefix}/{model}/")]
    assert keys == [f"promotions/{model}/{number:08d}-{entry.id}.json" for number, entry in enumerate(entries, 1)]
    assert [entry.previous for entry in entries] == [None, entries[0].id, entries[1].id]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("20990101T000000.000000Z-0.json", b'{"id": "half'),
        ("00000002-0123456789ab.json", b""),
        ("99999999-0123456789ab.json", b"[" * 100_000),
        ("notes.json", b"{}"),
        ("[2J'; --.json", b"\x00"),
    ],
)
def test_a_stray_or_damaged_object_never_stops_a_promotion_or_a_rollback(
    model: str,
    stack: Settings,
    storage: Storage,
    client: MlflowClient,
    move: Callable[..., LedgerEntry],
    name: str,
    content: bytes,
) -> None:
    move(1)
    storage.put_bytes(f"{stack.promotions_prefix}/{model}/{name}", content)
    move(2)
    rollback(model, None, stack, storage, reason="blurred")
    assert moves(model, stack) == [("promoted", None, 1), ("promoted", 1, 2), ("rolled-back", 2, 1)]
    assert aliases(client, model) == {"champion": 1}


def test_a_damaged_last_entry_is_recorded_again_from_the_version(
    model: str, stack: Settings, storage: Storage, move: Callable[..., LedgerEntry]
) -> None:
    move(1)
    lost = move(2)
    storage.put_bytes(ledger.entry_key(lost, stack), b"{")
    move(3)
    assert moves(model, stack) == [("promoted", None, 1), ("reconciled", 1, 2), ("promoted", 2, 3)]
    assert ledger.read(model, storage, stack)[1].id == lost.id
