"""`wgan models`: the output for people (with a real registry: tests/integration/test_registry_models_command.py)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.registry.examples import example_decision
from wgan.commands import models as command
from wgan.commands import output
from wgan.errors import UsageError
from wgan.model_version.way import VersionStage
from wgan.records import LedgerEntry
from wgan.registry.listing import MetricSummary, ModelEntry, VersionEntry, VersionList

WHEN = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
VERSION = VersionEntry(
    model_name="generator-digits",
    version=3,
    created=WHEN,
    aliases=("champion",),
    metrics={"fid": MetricSummary(mean=46.25, low=44.0, high=48.5)},
    stage=VersionStage(stage="champion", since=WHEN, waits_for=None),
    gate="promoted",
    gate_reason="The Fréchet distance is better: 46.2 against 50.0.",
    gate_time=WHEN,
    wasserstein_estimate=0.125,
    data_digest="d" * 64,
    code_version="0.1.0",
    flow_run_id="flow-1",
    mlflow_run_id="0" * 32,
)
MODEL = ModelEntry(
    name="generator-digits",
    latest_version=3,
    champion=3,
    challenger=None,
    previous=2,
    updated=WHEN,
)
PROMOTION = LedgerEntry(
    id="0" * 12,
    model_name="generator-digits",
    action="promoted",
    time=WHEN,
    from_version=2,
    to_version=3,
    forced=True,
    reason="the reference set was wrong",
    decision=example_decision(False),
    actor="ada",
)


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.console, "width", 200)


def test_all_models_are_listed_with_their_aliases(capsys: pytest.CaptureFixture[str]) -> None:
    command._show_models([MODEL])
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["model", "champion", "challenger", "previous", "latest", "changed"]
    assert row.split()[:5] == ["generator-digits", "3", "–", "2", "3"]


def test_an_empty_registry_says_how_to_register_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    command._show_models([])
    assert capsys.readouterr().out == "no model is registered yet: `wgan retrain` creates one.\n"


def test_a_version_is_listed_with_alias_intervals_and_the_gates_decision(capsys: pytest.CaptureFixture[str]) -> None:
    command._show_versions("generator-digits", VersionList(versions=(VERSION,), more=False))
    shown = capsys.readouterr().out
    assert "champion" in shown.splitlines()[1]
    assert "fid 46.25 [44, 48.5]" in shown
    assert "The Fréchet distance is better: 46.2 against 50.0." in shown


def test_a_version_that_was_only_registered_is_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    registered = VERSION.model_copy(update={"gate": None, "gate_reason": None, "gate_time": None, "aliases": ()})
    command._show_versions("generator-digits", VersionList(versions=(registered,), more=False))
    assert "not judged by the gate" in capsys.readouterr().out


def test_a_version_on_its_way_is_shown_with_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    stage = VersionStage(stage="approval", since=WHEN, waits_for="approval: `wgan approve …`", until=WHEN)
    command._show_versions(
        "generator-digits",
        VersionList(versions=(VERSION.model_copy(update={"gate": "passed", "stage": stage}),), more=False),
    )
    shown = capsys.readouterr().out
    assert "passed 2026-03-04" in shown
    assert "waits for approval: `wgan approve …` (until 2026-03-04" in shown


def test_a_list_with_older_versions_left_out_says_how_to_see_them(capsys: pytest.CaptureFixture[str]) -> None:
    command._show_versions("generator-digits", VersionList(versions=(VERSION,), more=True))
    assert capsys.readouterr().out.splitlines()[-1] == "Older versions are not shown: --limit N shows more."


def test_the_history_shows_who_moved_what_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    refused = PROMOTION.model_copy(update={"action": "refused", "to_version": 4, "from_version": 3, "forced": False})
    command._show_history("generator-digits", [PROMOTION, refused], more=False)
    _, first, second = capsys.readouterr().out.splitlines()
    assert all(part in first for part in ("promoted by force", "2 → 3", "ada", "the reference set was wrong"))
    assert "refused" in second
    assert "→" not in second  # a refusal moves nothing


def test_a_history_with_earlier_entries_left_out_says_how_to_see_them(capsys: pytest.CaptureFixture[str]) -> None:
    command._show_history("generator-digits", [PROMOTION], more=True)
    assert capsys.readouterr().out.splitlines()[-1] == "Earlier entries are not shown: --limit N shows more."


def test_history_without_a_model_is_a_usage_mistake() -> None:
    with pytest.raises(UsageError, match="--history needs a model"):
        command.models(history=True)
