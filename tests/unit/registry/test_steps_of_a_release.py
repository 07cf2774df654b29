"""A version's steps from the gate to production: what each writes, and what ends its way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.unit.registry.examples import example_decision
from tests.unit.registry.registry_in_memory import MODEL, Process, Servers
from wgan.errors import Overtaken, UsageError
from wgan.mlflow_api.models import Models
from wgan.model_version.way import last_entry, stage_of
from wgan.records import LedgerEntry, ReleasePlan
from wgan.registry import ledger, promotion, reconciliation, release
from wgan.registry.promotion import promote, rollback
from wgan.registry.release import promote_challenger, reason_to_withdraw, record_step, standing
from wgan.settings import Settings

SETTINGS = Settings()
PLAN = ReleasePlan(approval=True, approval_hours=2)
WRITES = 9
"""Of a step that sets or removes the alias."""


class Killed(BaseException):
    """Stands in for the end of the process."""


class Scene:
    """Versions 1 to 4 of a model, of which 1 is the champion. `process` carries out the next operations."""

    def __init__(self) -> None:
        self.servers = Servers(tags={str(version): {} for version in (1, 2, 3, 4)})
        self.process = Process(self.servers)

    def promote(self, version: int, plan: ReleasePlan = PLAN, champion: int | None = 1, **options: str) -> LedgerEntry:
        return promote(
            (MODEL, version), example_decision(True), SETTINGS, self.process.storage,
            expected_champion=champion, plan=plan, flow_run_id=options.get("flow"),
        )  # fmt: skip

    def step(self, version: int, action: release.Step, **options: str) -> LedgerEntry:
        return record_step(
            MODEL, version, action, SETTINGS, self.process.storage,
            reason=options.get("reason", "as a test"), actor=options.get("actor"), flow_run_id=options.get("flow"),
        )  # fmt: skip

    def story(self) -> list[str]:
        return [f"{entry.action} {entry.to_version}" for entry in ledger.read(MODEL, self.process.storage, SETTINGS)]

    def aliases(self) -> dict[str, int]:
        return {alias: int(version) for alias, version in self.servers.aliases.items()}

    def stage(self, version: int) -> str:
        return stage_of(version, self.servers.tags[str(version)], self.aliases()).stage


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    found = Scene()

    @contextmanager
    def opened(settings: Settings) -> Iterator[Models]:
        yield found.process.models

    for module in (promotion, release):
        monkeypatch.setattr(module, "registry", opened)
    monkeypatch.setattr(reconciliation, "PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(reconciliation, "POLL_SECONDS", 0.005)
    found.promote(1, ReleasePlan(), champion=None)
    return found


def test_a_version_that_passed_the_gate_is_the_challenger_and_the_champion_stays(scene: Scene) -> None:
    entry = scene.promote(2)
    assert (entry.action, entry.plan, entry.decision) == ("passed", PLAN, example_decision(True))
    assert scene.aliases() == {"champion": 1, "challenger": 2}
    assert [scene.stage(version) for version in (1, 2, 3)] == ["champion", "approval", "registered"]


def test_an_approved_challenger_becomes_the_champion_and_the_ledger_tells_the_story_in_order(scene: Scene) -> None:
    scene.promote(2)
    approved = scene.step(2, "approved", actor="ada", reason="both grids look right")
    assert (approved.actor, approved.reason, approved.plan) == ("ada", "both grids look right", PLAN)
    assert scene.stage(2) == "promotion"
    promoted = promote_challenger(MODEL, 2, SETTINGS, scene.process.storage, flow_run_id="release-2")
    assert (promoted.action, promoted.actor, promoted.from_version) == ("promoted", "ada", 1)
    assert scene.aliases() == {"champion": 2, "previous": 1}
    assert scene.story() == ["promoted 1", "passed 2", "approved 2", "promoted 2"]


def test_a_refused_challenger_has_no_alias(scene: Scene) -> None:
    scene.promote(2)
    scene.step(2, "refused", actor="ada")
    assert scene.aliases() == {"champion": 1}
    assert scene.stage(2) == "refused"


def test_a_newer_challenger_replaces_the_one_that_waits(scene: Scene) -> None:
    scene.promote(2)
    scene.promote(3)
    assert scene.story() == ["promoted 1", "passed 2", "withdrawn 2", "passed 3"]
    withdrawn = standing(MODEL, 2, SETTINGS, scene.process.storage)
    assert withdrawn is not None
    assert withdrawn.reason == "Version 3 passed the gate and replaces it."
    assert scene.aliases() == {"champion": 1, "challenger": 3}
    assert [scene.stage(2), scene.stage(3)] == ["withdrawn", "approval"]


def test_a_refusal_by_the_gate_leaves_the_challenger_on_its_way(scene: Scene) -> None:
    scene.promote(2)
    promote((MODEL, 3), example_decision(False), SETTINGS, scene.process.storage, expected_champion=1)
    assert scene.aliases() == {"champion": 1, "challenger": 2}


@pytest.mark.parametrize("move", ["forced promotion", "rollback"])
def test_a_challenger_is_withdrawn_when_the_champion_it_was_compared_with_is_gone(scene: Scene, move: str) -> None:
    scene.promote(4, ReleasePlan())
    scene.promote(2, champion=4)
    if move == "rollback":
        rollback(MODEL, None, SETTINGS, scene.process.storage, reason="blurred")
    else:
        promote((MODEL, 3), None, SETTINGS, scene.process.storage, force=True, reason="urgent", expected_champion=4)
    assert scene.story()[-1] == "withdrawn 2"
    assert "challenger" not in scene.aliases()


def test_a_challenger_is_not_promoted_over_another_champion(scene: Scene) -> None:
    scene.promote(2)
    scene.servers.aliases["champion"] = "3"  # as somebody may do on MLflow's page
    with pytest.raises(Overtaken, match=r"is now version 3, but version 2 was compared with version 1"):
        promote_challenger(MODEL, 2, SETTINGS, scene.process.storage, flow_run_id="release-2")
    assert scene.aliases()["champion"] == 3


@pytest.mark.parametrize(
    ("aliases", "reason"),
    [
        ({"champion": 1, "challenger": 2}, None),
        ({"champion": 1}, "The alias challenger was removed outside this pipeline."),
        ({"champion": 1, "challenger": 4}, "The alias challenger was moved to version 4 outside this pipeline."),
        ({"champion": 3, "challenger": 2}, "is now version 3, but version 2 was compared with version 1"),
        ({"challenger": 2}, "is now no version, but version 2 was compared with version 1"),
    ],
)
def test_a_challenger_cannot_go_on_once_an_alias_was_moved(
    scene: Scene, aliases: dict[str, int], reason: str | None
) -> None:
    found = reason_to_withdraw(scene.promote(2), aliases)
    assert found is None if reason is None else reason in str(found)


def test_only_a_challenger_can_be_approved_and_only_once(scene: Scene) -> None:
    with pytest.raises(UsageError, match=r"version 3 of .* is not on its way to production \(registered\)"):
        scene.step(3, "approved")
    scene.promote(2)
    scene.step(2, "approved")
    with pytest.raises(UsageError, match="does not wait for approval: it is approved"):
        scene.step(2, "approved")
    scene.step(2, "refused")
    with pytest.raises(UsageError, match=r"is not on its way to production \(refused\)"):
        scene.step(2, "approved")


def test_a_step_that_the_ledger_does_not_have_does_not_count(scene: Scene) -> None:
    entry = scene.promote(2)
    scene.step(2, "refused")
    scene.servers.tags["2"]["way"] = entry.model_copy(update={"id": "f" * 12}).model_dump_json()
    assert standing(MODEL, 2, SETTINGS, scene.process.storage) is None


@pytest.mark.parametrize("write", range(WRITES))
@pytest.mark.parametrize("step", ["passed", "approved", "refused", "withdrawn"])
def test_a_step_killed_before_any_write_is_written_once_by_its_repetition(scene: Scene, step: str, write: int) -> None:
    def die(number: int) -> None:
        if number == write:
            raise Killed

    def take() -> LedgerEntry:
        if step == "passed":
            return scene.promote(2, flow="flow-2")
        return scene.step(2, step, flow="flow-2")  # type: ignore[arg-type]

    if step != "passed":
        scene.promote(2)
    scene.process = Process(scene.servers, die)
    with suppress(Killed):
        take()
    scene.process = Process(scene.servers)
    entry = take()
    assert entry.action == step
    assert scene.story().count(f"{step} 2") == 1
    on_its_way = step in ("passed", "approved")
    assert scene.aliases() == {"champion": 1, **({"challenger": 2} if on_its_way else {})}
    kept = last_entry(scene.servers.tags["2"])
    assert kept is not None
    assert kept.id == entry.id


@pytest.mark.parametrize("write", range(WRITES))
def test_a_step_killed_before_any_write_is_finished_or_undone_by_the_next_operation(scene: Scene, write: int) -> None:
    def die(number: int) -> None:
        if number == write:
            raise Killed

    scene.process = Process(scene.servers, die)
    with suppress(Killed):
        scene.promote(2)
    scene.process = Process(scene.servers)
    promote((MODEL, 3), example_decision(False), SETTINGS, scene.process.storage, expected_champion=1)
    assert scene.aliases().get("challenger") == (2 if "passed 2" in scene.story() else None)
