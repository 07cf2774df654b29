"""Where a version is on its way to production, from its tags and the model's aliases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.registry.examples import example_decision
from wgan.model_version.way import last_entry, stage_of, way_text
from wgan.records import Action, LedgerEntry, ReleasePlan

WHEN = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def entry(action: Action, plan: ReleasePlan | None = None) -> LedgerEntry:
    return LedgerEntry(
        id="0" * 12, number=7, model_name="generator-digits", action=action, time=WHEN, from_version=1, to_version=2,
        reason="why", decision=example_decision(True), plan=plan,
    )  # fmt: skip


def tags(action: Action, plan: ReleasePlan | None = None) -> dict[str, str]:
    return {"way": way_text(entry(action, plan)), "gate": action}


def test_a_version_that_was_only_registered_waits_for_nothing() -> None:
    found = stage_of(2, {}, {"champion": 1})
    assert (found.stage, found.since, found.waits_for) == ("registered", None, None)


def test_a_challenger_waits_for_approval_until_its_time_limit() -> None:
    plan = ReleasePlan(approval=True, approval_hours=2)
    found = stage_of(2, tags("passed", plan), {"champion": 1, "challenger": 2})
    assert (found.stage, found.since, found.until) == ("approval", WHEN, WHEN + timedelta(hours=2))
    assert found.waits_for is not None
    assert "wgan approve generator-digits 2" in found.waits_for


def test_an_approved_challenger_waits_for_its_promotion() -> None:
    found = stage_of(2, tags("approved", ReleasePlan(approval=True)), {"champion": 1, "challenger": 2})
    assert (found.stage, found.until) == ("promotion", None)


@pytest.mark.parametrize(
    ("action", "aliases", "stage"),
    [
        ("promoted", {"champion": 2}, "champion"),
        ("promoted", {"champion": 3, "previous": 2}, "previous"),
        ("promoted", {"champion": 4, "previous": 3}, "past"),
        ("rolled-back", {"champion": 3}, "past"),
        ("refused", {"champion": 1}, "refused"),
        ("withdrawn", {"champion": 1, "challenger": 3}, "withdrawn"),
    ],
)
def test_other_stages_follow_from_the_last_entry_and_the_aliases(
    action: Action, aliases: dict[str, int], stage: str
) -> None:
    found = stage_of(2, tags(action), aliases)
    assert (found.stage, found.waits_for) == (stage, None)


def test_versions_judged_by_an_earlier_version_of_the_code_have_a_stage_too() -> None:
    assert stage_of(2, {"gate": "refused"}, {"champion": 1}).stage == "refused"
    assert stage_of(2, {"gate": "refused"}, {"champion": 1, "challenger": 2}).stage == "refused"
    assert stage_of(2, {"gate": "promoted"}, {"champion": 3}).stage == "past"


@pytest.mark.parametrize("text", ["", "not JSON", "{}", '{"action": "flown"}'])
def test_a_tag_that_this_pipeline_did_not_write_counts_as_none(text: str) -> None:
    assert last_entry({"way": text}) is None
    assert stage_of(2, {"way": text}, {"challenger": 2}).stage == "registered"


def test_a_first_version_can_be_the_challenger_too() -> None:
    first = entry("passed", ReleasePlan(approval=True)).model_copy(update={"from_version": None})
    assert stage_of(2, {"way": way_text(first)}, {"challenger": 2}).stage == "approval"


def test_the_tag_holds_the_entry_without_its_decision() -> None:
    assert last_entry(tags("passed")) == entry("passed").model_copy(update={"decision": None})
