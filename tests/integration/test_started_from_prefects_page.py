"""What people start from Prefect's page: deployments without a clock, their forms, and the reports of their runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.worker_process import ask, read, wait_for_end, worker
from wgan.backup import open_archive, read_manifest, verify
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.on_demand import DEPLOYMENTS, put_on_demand
from wgan.registry.aliases import champion_version
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=6)

MODEL = "generator-from-page"


@pytest.fixture(scope="module")
def server(stack: Settings) -> Iterator[PrefectServer]:
    """The server, with every deployment, which other tests may have removed."""
    with PrefectServer(stack) as server:
        put_on_demand(server, stack.work_pool)
        yield server


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backups")


@pytest.fixture(scope="module")
def versions(stack: Settings, server: PrefectServer, backups: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A champion, a refused version, and a worker."""
    first = json_of(stack, "retrain", *quick("from-page"))["version"]["version"]
    second = json_of(stack, "retrain", *quick("from-page", "training.seed=1", "promotion.fid_margin=1000000"))
    with worker(stack, tmp_path_factory.mktemp("worker"), WGAN_BACKUPS_DIR=str(backups)):
        yield first, second["version"]["version"]


def deployment(settings: Settings, name: str) -> Any:
    (wanted,) = (each for each in DEPLOYMENTS if each.name == name)
    return read(settings, f"deployments/name/{wanted.flow}/{name}")


def run_from_page(settings: Settings, what: str, /, **parameters: Any) -> Any:
    """Start a deployment as Prefect's page does, and wait for its end."""
    found = deployment(settings, what)
    given = {**found["parameters"], **parameters}
    made = ask(settings, f"deployments/{found['id']}/create_flow_run", parameters=given, state={"type": "SCHEDULED"})
    return wait_for_end(settings, made["id"])


def artifact(settings: Settings, run: Any, key: str) -> str:
    wanted = {"flow_run_id": {"any_": [run["id"]]}, "key": {"any_": [key]}}
    (found,) = ask(settings, "artifacts/filter", artifacts=wanted)
    return str(found["data"])


def test_the_stack_creates_them_and_applying_again_changes_nothing(stack: Settings, server: PrefectServer) -> None:
    assert put_on_demand(server, stack.work_pool) == ()
    for wanted in DEPLOYMENTS:
        assert deployment(stack, wanted.name)["work_pool_name"] == stack.work_pool


def test_an_edit_on_the_page_is_undone_when_they_are_applied(stack: Settings, server: PrefectServer) -> None:
    found = deployment(stack, "evaluate")
    server.send("PATCH", f"deployments/{found['id']}", description="mine", paused=True)
    assert put_on_demand(server, stack.work_pool) == ("evaluate",)
    assert deployment(stack, "evaluate")["description"] == found["description"]
    assert not deployment(stack, "evaluate")["paused"]


def test_the_form_refuses_a_value_that_is_not_allowed(stack: Settings, server: PrefectServer) -> None:
    found = deployment(stack, "evaluate")
    wrong = {"model_name": MODEL, "protocol": "huge"}
    with pytest.raises(httpx.HTTPStatusError) as refusal:
        ask(stack, f"deployments/{found['id']}/create_flow_run", parameters=wrong)
    assert refusal.value.response.status_code == httpx.codes.CONFLICT
    assert "'huge' is not one of" in refusal.value.response.text


def test_evaluate_measures_a_version_by_its_alias(stack: Settings, versions: Any) -> None:
    run = run_from_page(stack, "evaluate", model_name=MODEL, protocol="quick")
    assert (run["state_name"], run["name"]) == ("Completed", f"{MODEL} champion · version {versions[0]} measured")
    assert f"models:/{MODEL}/{versions[0]}" in run["state"]["message"]
    report = artifact(stack, run, "evaluation-report")
    assert "| Fréchet distance ↓ |" in report
    assert "| Metric | Challenger | Real images | Untrained |" in report


def test_compare_shows_both_versions_and_links_the_whole_report(stack: Settings, versions: Any) -> None:
    first, second = versions
    run = run_from_page(stack, "compare", model_name=MODEL, version=str(second), protocol="quick")
    assert run["state_name"] == "Completed"
    assert run["name"].startswith(f"{MODEL} {second} against champion · would ")
    report = artifact(stack, run, "comparison-report")
    assert f"against version {first}, version {second} would" in report
    picture = artifact(stack, run, f"samples-version-{second}")
    assert picture in report
    assert httpx.get(picture).content.startswith(b"\x89PNG")
    assert f"comparisons/v{first}-v{second}.html" in artifact(stack, run, "comparison-html")


def test_promote_with_force_needs_a_reason_and_roll_back_undoes_it(stack: Settings, versions: Any) -> None:
    first, second = versions
    refused = run_from_page(stack, "promote", model_name=MODEL, version=second, force=True)
    assert refused["state_name"] == "Not done"
    assert "force needs a reason" in refused["state"]["message"]
    asked = {"model_name": MODEL, "version": second, "force": True, "reason": "to see it served", "actor": "ada"}
    promoted = run_from_page(stack, "promote", **asked)
    assert promoted["name"] == f"{MODEL} version {second} · version {second} promoted"
    assert champion_version(MODEL, stack) == second
    assert "**Gate: " in artifact(stack, promoted, "gate-decision")
    back = run_from_page(stack, "roll back", model_name=MODEL, actor="ada")
    assert back["name"] == f"{MODEL} · back to version {first}"
    assert champion_version(MODEL, stack) == first
    assert "| Who | ada |" in artifact(stack, back, "rollback-report")


def test_prepare_data_says_what_the_data_set_is_made_of(stack: Settings, versions: Any) -> None:
    run = run_from_page(stack, "prepare data", data={"source": "digits", "name": "page-digits"})
    assert run["state_name"] == "Completed"
    assert run["name"].startswith("page-digits")
    assert "| Images to train on | 1,618 |" in artifact(
        stack, run, "data-report"
    )  # scikit-learn's 1,797, a tenth held out


def test_study_runs_the_claims_that_are_named(stack: Settings, versions: Any) -> None:
    run = run_from_page(stack, "study", size="tiny", claims=[3])
    assert run["state_name"] == "Completed"
    assert "slope" in artifact(stack, run, "study-report").lower()


def test_back_up_writes_into_the_workers_folder_only(stack: Settings, versions: Any, backups: Path) -> None:
    outside = run_from_page(stack, "back up", name="../elsewhere")
    assert outside["state_name"] == "Not done"
    assert "cannot be called '../elsewhere'" in outside["state"]["message"]
    run = run_from_page(stack, "back up", name="monday")
    assert run["state_name"] == "Completed"
    archive = open_archive(backups / "monday")
    verify(archive, read_manifest(archive))
    assert str(backups / "monday") in artifact(stack, run, "backup-report")
