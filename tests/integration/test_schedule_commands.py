"""`wgan schedule` against a real Prefect server: what it stores, and what a second call changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.hidden_torch import hide
from tests.integration.stack_commands import run as run_wgan
from tests.integration.worker_process import ask, prefect, read
from wgan.prefect_server.client import PAGE
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=5)

DECLARED = """
gpu_slots: 3
schedules:
  - {name: declared-one, cron: "0 3 * * 1", timezone: Europe/Berlin, preset: digits, if_changed: true}
  - name: declared-two
    cron: "15 4 * * *"
    preset: digits
    config: {training: {seed: 4}}
    paused: true
    overlap: cancel
"""


@pytest.fixture(autouse=True)
def no_schedules(stack: Settings) -> None:
    """Remove schedules that other tests have left on the server."""
    for entry in ask(stack, "deployments/filter"):
        prefect(stack, "DELETE", f"deployments/{entry['id']}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "schedules.yaml"
    path.write_text(DECLARED)
    return path


def deployment(settings: Settings, name: str) -> Any:
    return read(settings, f"deployments/name/retrain/{name}")


def schedules(settings: Settings) -> dict[str, Any]:
    return {entry["name"]: entry for entry in json_of(settings, "schedule", "list")["schedules"]}


def test_a_file_is_applied_once_and_changes_nothing_the_second_time(stack: Settings, file: Path) -> None:
    first = json_of(stack, "schedule", "apply", str(file))
    assert first["changed"] == ["housekeeping", "declared-one", "declared-two"]
    second = json_of(stack, "schedule", "apply", str(file))
    assert second["changed"] == []
    assert second["unchanged"] == ["housekeeping", "declared-one", "declared-two"]
    file.write_text(DECLARED.replace("seed: 4", "seed: 5"))
    assert json_of(stack, "schedule", "apply", str(file))["changed"] == ["declared-two"]
    assert deployment(stack, "declared-two")["parameters"]["config"]["training"]["seed"] == 5
    assert read(stack, "v2/concurrency_limits/gpu")["limit"] == 3
    names = [entry["name"] for entry in ask(stack, "automations/filter")]
    assert names.count("wgan: mark silent runs as crashed") == 1

    kept = schedules(stack)
    assert kept["declared-one"]["timezone"] == "Europe/Berlin"
    assert kept["declared-one"]["if_changed"]
    assert not kept["declared-one"]["paused"]
    assert (kept["declared-two"]["paused"], kept["declared-two"]["overlap"]) == (True, "cancel")
    assert kept["housekeeping"]["model_name"] is None

    file.write_text("gpu_slots: 1")
    assert {"declared-one", "declared-two"} <= set(json_of(stack, "schedule", "apply", str(file))["undeclared"])


def test_apply_finds_the_shipped_file(stack: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    assert json_of(stack, "schedule", "apply")["changed"] == ["housekeeping", "digits", "mnist"]


def test_the_form_in_prefects_page_knows_every_field_with_its_bounds(stack: Settings) -> None:
    run_wgan(stack, "schedule", "add", "--preset", "digits", "--cron", "0 3 * * 1", "--name", "typed")
    schema = deployment(stack, "typed")["parameter_openapi_schema"]
    training = schema["definitions"]["TrainingConfig"]["properties"]
    assert training["lr"]["exclusiveMinimum"] == 0
    assert training["lr"]["description"].startswith("Learning rate of both optimizers")
    assert set(schema["properties"]) == {
        "config",
        "promote",
        "only_if_changed",
        "min_new",
        "only_if_drifted",
        "accept_data",
        "accept_reason",
    }
    assert deployment(stack, "typed")["enforce_parameter_schema"]
    assert deployment(stack, "typed")["concurrency_options"]["collision_strategy"] == "ENQUEUE"


def test_a_schedule_is_added_paused_resumed_run_and_removed(stack: Settings) -> None:
    added = run_wgan(
        stack, *("schedule", "add", "--preset", "digits", "--cron", "0 3 * * 1", "--timezone", "Europe/Berlin"),
        "--if-changed",
    )  # fmt: skip
    assert "Schedule digits retrains generator-digits at 0 3 * * 1 (Europe/Berlin), if the data is new" in added.stdout
    again = run_wgan(stack, "schedule", "add", "--preset", "digits", "--cron", "0 3 * * 1", code=2)
    assert "Schedule digits already exists: remove it first" in again.stderr
    run_wgan(stack, "schedule", "pause", "digits")
    assert schedules(stack)["digits"]["paused"]
    assert "paused" in run_wgan(stack, "schedule", "list").stdout
    run_wgan(stack, "schedule", "resume", "digits")
    assert not schedules(stack)["digits"]["paused"]
    started = json_of(stack, "schedule", "run", "digits")
    state = read(stack, f"flow_runs/{started['flow_run_id']}")
    assert state["state_type"] == "SCHEDULED"
    assert "wgan-schedule" in state["tags"]
    run_wgan(stack, "schedule", "remove", "digits")
    assert "digits" not in schedules(stack)


def test_an_edit_changes_only_the_given_settings(stack: Settings) -> None:
    cron = ("--cron", "5 3 * * 1", "--timezone", "Europe/Berlin")
    run_wgan(stack, "schedule", "add", "--name", "edited", *cron, "--if-changed", "--no-promote", *quick("edited"))
    run_wgan(stack, "schedule", "pause", "edited")
    before = read(stack, "deployments/name/retrain/edited")
    entry = json_of(stack, "schedule", "edit", "edited", "--set", "training.seed=7", "--cron", "0 4 * * *")
    assert (entry["cron"], entry["timezone"], entry["if_changed"], entry["paused"]) == (
        "0 4 * * *", "Europe/Berlin", True, True,
    )  # fmt: skip
    after = read(stack, "deployments/name/retrain/edited")
    assert after["id"] == before["id"]
    expected = before["parameters"]
    expected["config"]["training"]["seed"] = 7
    assert after["parameters"] == expected
    on_condition = json_of(stack, "schedule", "edit", "edited", "--min-new", "5%", "--if-drifted")
    assert (on_condition["min_new"], on_condition["if_drifted"], on_condition["if_changed"]) == ("5%", True, True)
    always = json_of(stack, "schedule", "edit", "edited", "--always", "--promote")
    assert (always["if_changed"], always["min_new"], always["if_drifted"]) == (False, None, False)
    assert read(stack, "deployments/name/retrain/edited")["parameters"]["promote"] is True
    errors = run_wgan(stack, "schedule", "edit", "edited", "--min-new", "some", code=2).stderr
    assert "min_new='some' is not allowed" in errors
    errors = run_wgan(stack, "schedule", "edit", "edited", code=2).stderr
    assert errors.startswith("Choose what to change: --cron")
    errors = run_wgan(stack, "schedule", "edit", "edited", "--set", "training.seed=often", code=2).stderr
    assert "training.seed='often' is not allowed" in errors


def test_times_set_on_prefects_page_are_kept_unless_replaced(stack: Settings) -> None:
    run_wgan(stack, "schedule", "add", "--name", "by-page", "--cron", "5 3 * * 1", *quick("by-page"))
    deployment = read(stack, "deployments/name/retrain/by-page")
    hourly = [{"schedule": {"interval": 3600}, "active": True}]
    prefect(stack, "PATCH", f"deployments/{deployment['id']}", json={"schedules": hourly})
    errors = run_wgan(stack, "schedule", "edit", "by-page", "--set", "training.seed=7", code=2).stderr
    assert re.match(r"Schedule by-page is due every 1:00:00 from .*: give --cron, which replaces them\.$", errors)
    assert json_of(stack, "schedule", "edit", "by-page", "--cron", "1 1 * * *")["when"] == ["1 1 * * * UTC"]


def test_changes_made_on_prefects_page_are_listed(stack: Settings) -> None:
    run_wgan(stack, "schedule", "add", "--name", "by-page", "--cron", "5 3 * * 1", *quick("by-page"))
    page = {
        "tags": ["mine"],
        "schedules": [
            {"schedule": {"rrule": "FREQ=DAILY", "timezone": "Europe/Berlin"}, "active": False},
            {"schedule": {"cron": "7 7 * * *", "timezone": "Europe/Berlin"}, "active": True},
        ],
    }
    prefect(stack, "PATCH", f"deployments/{deployment(stack, 'by-page')['id']}", json=page)
    entry = schedules(stack)["by-page"]
    assert entry["model_name"] == "generator-by-page"
    assert any("FREQ=DAILY" in words and words.endswith(" Europe/Berlin (off)") for words in entry["when"])
    assert "7 7 * * * Europe/Berlin" in entry["when"]


def test_schedules_list_their_own_runs_even_if_one_fills_a_page(stack: Settings) -> None:
    for name in ("rare", "often"):
        run_wgan(stack, "schedule", "add", "--name", name, "--cron", "0 0 1 1 *", *quick(name))
    flow_run = json_of(stack, "schedule", "run", "rare")["flow_run_id"]
    ask(stack, f"flow_runs/{flow_run}/set_state", state={"type": "CANCELLED", "name": "Cancelled"}, force=True)
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
    route = f"deployments/{deployment(stack, 'often')['id']}/create_flow_run"
    for _ in range(PAGE):
        ask(stack, route, state=later)
    found = schedules(stack)
    assert found["rare"]["last_run"] == "Cancelled"
    assert found["often"]["last_run"] is None


def test_every_command_works_without_prefect(stack: Settings, file: Path, tmp_path: Path) -> None:
    hidden = hide(tmp_path / "hidden", "prefect", "torch")
    run_wgan(stack, "schedule", "add", "--preset", "digits", "--cron", "0 3 * * 1", **hidden)
    assert json_of(stack, "schedule", "edit", "digits", "--cron", "0 4 * * 1", **hidden)["cron"] == "0 4 * * 1"
    assert "declared-one" in json_of(stack, "schedule", "apply", str(file), **hidden)["changed"]
    also_hidden = hide(tmp_path / "also-hidden", "mlflow", "prefect", "torch")
    run_wgan(stack, "schedule", "pause", "digits", **also_hidden)
    run_wgan(stack, "schedule", "resume", "digits", **also_hidden)
    assert json_of(stack, "schedule", "run", "digits", **also_hidden)["flow_run_id"]
    listed = json_of(stack, "schedule", "list", **also_hidden)["schedules"]
    assert "declared-one" in [entry["name"] for entry in listed]
    run_wgan(stack, "schedule", "remove", "digits", **also_hidden)


def test_an_unknown_schedule_is_one_sentence(stack: Settings) -> None:
    refused = run_wgan(stack, "schedule", "pause", "nightly", code=2)
    assert refused.stderr.startswith("There is no schedule 'nightly': ")
    assert "Traceback" not in refused.stderr


def test_an_invalid_cron_expression_is_one_sentence(stack: Settings) -> None:
    refused = run_wgan(stack, "schedule", "add", "--preset", "digits", "--cron", "0 3 * * x", code=2)
    assert "cron='0 3 * * x' is not allowed" in refused.stderr


def test_a_worker_of_an_unknown_pool_is_one_sentence(stack: Settings) -> None:
    refused = run_wgan(stack, "worker", "--pool", "nowhere", code=2)
    assert "There is no work pool 'nowhere'" in refused.stderr
