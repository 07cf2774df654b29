"""`wgan models` of a real registry, as a program reads it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.unit.registry.examples import example_decision
from wgan.commands.models import models
from wgan.errors import UsageError
from wgan.records import LedgerEntry
from wgan.registry.promotion import promote
from wgan.settings import Settings
from wgan.storage import Storage

pytestmark = pytest.mark.usefixtures("stack_home")


@pytest.fixture(scope="module")
def promoted(stack: Settings, storage: Storage) -> LedgerEntry:
    """A model with two versions, the first of them promoted."""
    storage.ensure_bucket()
    client = MlflowClient(stack.mlflow_tracking_uri, stack.mlflow_tracking_uri)
    experiment = client.create_experiment(f"listing tests {uuid.uuid4().hex[:8]}")
    logged = client.create_logged_model(experiment).model_id
    name = f"generator-{uuid.uuid4().hex[:8]}"
    client.create_registered_model(name)
    for fid in ("[46.25, 44.0, 48.5]", "[50.0, 49.0, 51.0]"):
        client.create_model_version(
            name, source=f"models:/{logged}", model_id=logged, tags={"metrics": f'{{"fid": {fid}}}'}
        )
    return promote((name, 1), example_decision(True), stack, storage, expected_champion=None, actor="ada")


def test_all_models_as_one_json_object(promoted: LedgerEntry, capsys: pytest.CaptureFixture[str]) -> None:
    models(as_json=True)
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["models"]}
    assert list(listed) == sorted(listed)
    found = listed[promoted.model_name]
    assert (found["champion"], found["previous"], found["latest_version"]) == (1, None, 2)


def test_a_models_versions_as_one_json_object_newest_first(
    promoted: LedgerEntry, capsys: pytest.CaptureFixture[str]
) -> None:
    models(promoted.model_name, as_json=True)
    second, first = json.loads(capsys.readouterr().out)["versions"]
    assert (second["version"], second["aliases"], second["gate"]) == (2, [], None)
    assert (first["version"], first["aliases"], first["gate"]) == (1, ["champion"], "promoted")
    assert first["gate_reason"] == promoted.reason
    assert first["metrics"] == {"fid": {"mean": 46.25, "low": 44.0, "high": 48.5}}


def test_a_models_history_as_one_json_object(promoted: LedgerEntry, capsys: pytest.CaptureFixture[str]) -> None:
    models(promoted.model_name, history=True, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown == {
        "model_name": promoted.model_name, "history": [promoted.model_dump(mode="json")], "more": False
    }  # fmt: skip


def test_a_limit_shows_the_newest_and_says_that_there_are_more(
    promoted: LedgerEntry, capsys: pytest.CaptureFixture[str]
) -> None:
    models(promoted.model_name, limit=1, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert ([entry["version"] for entry in shown["versions"]], shown["more"]) == ([2], True)


@pytest.mark.parametrize("history", [False, True])
def test_an_unknown_model_lists_the_existing_ones(promoted: LedgerEntry, history: bool) -> None:
    with pytest.raises(UsageError, match="no registered model 'generator-nope': there are generator-"):
        models("generator-nope", history=history)


def test_people_see_a_table(promoted: LedgerEntry, capsys: pytest.CaptureFixture[str], stack_home: Path) -> None:
    models(promoted.model_name)
    shown = capsys.readouterr().out
    assert "fid 46.25 [44, 48.5]" in shown
    assert "not judged by the gate" in shown
