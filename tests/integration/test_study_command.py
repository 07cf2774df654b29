"""`wgan study` on real servers: every claim in its tiny form, the report, MLflow's runs, Ctrl-C and --resume."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId

from tests.integration.command_line import json_of
from tests.integration.stack_commands import run, start
from wgan.settings import Settings
from wgan.study.records import StudyOutcome
from wgan.study.report import HTML, RESULTS
from wgan.tracking.client import tracking_client
from wgan.tracking.study import EXPERIMENT

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow(minutes=3)


@pytest.fixture(scope="module")
def tiny_study(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """All claims, a few steps each; the command's JSON and its folder."""
    folder = tmp_path_factory.mktemp("study")
    out = run(stack, "study", "--size", "tiny", "--seed", "3", "--output", str(folder), "--json").stdout
    return json.loads(out), folder


def test_every_claim_is_tested_and_reported(tiny_study: tuple[Any, Path]) -> None:
    answer, folder = tiny_study
    assert [claim["claim"] for claim in answer["claims"]] == [1, 2, 3, 4, 5, 6, 7]
    outcome = StudyOutcome.model_validate_json((folder / RESULTS).read_text())
    assert (outcome.size, outcome.seed) == ("tiny", 3)
    assert outcome.digits.startswith("digits, ")
    for result, told in zip(outcome.results, answer["claims"], strict=True):
        assert (result.holds, result.finding) == (told["holds"], told["finding"])
        assert result.table.rows
        for chart in result.charts:
            assert (folder / "figures" / f"{chart.name}.png").stat().st_size > 5_000


def test_mlflow_has_the_study_and_a_child_for_each_training(tiny_study: tuple[Any, Path], stack: Settings) -> None:
    outcome = StudyOutcome.model_validate_json((tiny_study[1] / RESULTS).read_text())
    client = tracking_client(stack)
    parent = client.get_run(outcome.mlflow_run_id)
    assert parent.info.status == "FINISHED"
    assert {entry.path for entry in client.list_artifacts(parent.info.run_id)} >= {HTML, "report.md", "figures"}
    children = client.search_runs(
        [client.get_experiment_by_name(EXPERIMENT).experiment_id],
        f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'",
    )
    names = {f"claim {result.claim.number}: {kept.name}" for result in outcome.results for kept in result.variants}
    assert {child.info.run_name for child in children} == names
    assert {child.info.status for child in children} == {"FINISHED"}
    ring = next(child for child in children if child.info.run_name == "claim 1: WGAN ring seed 4")
    assert [metric.step for metric in client.get_metric_history(ring.info.run_id, "modes")] == [2, 4, 6]


def test_the_report_opens_in_a_browser(tiny_study: tuple[Any, Path], chromium_page: Page) -> None:
    problems: list[str] = []
    chromium_page.on("console", lambda message: problems.append(message.text))
    chromium_page.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else problems.append(request.url)
    )
    chromium_page.goto((tiny_study[1] / HTML).as_uri())
    assert chromium_page.locator("section").count() == 7
    assert chromium_page.locator("#overview .verdict").count() == 7
    widths = chromium_page.locator("img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert len(widths) >= 7
    assert min(widths) > 300
    assert problems == []


def assert_stopped_without_failures(flow_run: str, stack: Settings) -> None:
    listed = next(entry for entry in json_of(stack, "runs")["runs"] if entry["id"] == flow_run)
    assert listed["state"] == "Stopped"
    assert listed["message"].startswith("Stopped by the user: ")
    with get_client(sync_client=True) as client:
        of_the_run = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[UUID(flow_run)]))
        states = {task.name: task.state_name for task in client.read_task_runs(task_run_filter=of_the_run)}
    assert set(states.values()) == {"Completed", "Stopped"}, states


def test_ctrl_c_ends_the_study_and_resume_does_not_repeat_finished_claims(stack: Settings, tmp_path: Path) -> None:
    study = start(stack, "study", "--size", "tiny", "--claims", "3,4", "--output", str(tmp_path / "report"))
    assert study.stderr is not None
    heard = ""
    while "claim 4: 0 of " not in heard:
        line = study.stderr.readline()
        assert line, heard
        heard += line
    workers = psutil.Process(study.pid).children(recursive=True)
    study.send_signal(signal.SIGINT)
    _, errors = study.communicate(timeout=120)
    assert study.returncode == 130
    assert "Traceback" not in heard + errors
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    flow_run = re.search(r"flow run: (\S+)", heard)
    assert flow_run is not None
    assert f"`wgan study --resume {flow_run[1]}` resumes it." in errors
    assert_stopped_without_failures(flow_run[1], stack)
    resumed = run(stack, "study", "--resume", flow_run[1], "--output", str(tmp_path / "report"))
    assert "claim 3:" not in resumed.stderr
    assert "claim 4:" in resumed.stderr
    outcome = StudyOutcome.model_validate_json((tmp_path / "report" / RESULTS).read_text())
    assert [result.claim.number for result in outcome.results] == [3, 4]
    assert tracking_client(stack).get_run(outcome.mlflow_run_id).info.status == "FINISHED"


def test_reports_of_different_claims_become_one(tiny_study: tuple[Any, Path], stack: Settings, tmp_path: Path) -> None:
    outcome = StudyOutcome.model_validate_json((tiny_study[1] / RESULTS).read_text())
    for name, numbers in (("one", (2, 6)), ("two", (1, 3, 4, 5, 7))):
        (tmp_path / name).mkdir()
        results = tuple(result for result in outcome.results if result.claim.number in numbers)
        part = outcome.model_copy(update={"results": results, "flow_run_id": name})
        (tmp_path / name / RESULTS).write_text(part.model_dump_json())
    folders = ("--merge", str(tmp_path / "one"), "--merge", str(tmp_path / "two"))
    run(stack, "study", *folders, "--output", str(tmp_path / "both"))
    both = StudyOutcome.model_validate_json((tmp_path / "both" / RESULTS).read_text())
    assert both.results == outcome.results
    assert both.flow_run_id == "one, two"
    assert (tmp_path / "both" / HTML).stat().st_size > 50_000
    twice = ("--merge", str(tmp_path / "one"), "--merge", str(tiny_study[1]))
    assert "Claim 2 is in more than one report" in run(stack, "study", *twice, code=2).stderr
    absent = run(stack, "study", "--merge", str(tmp_path / "absent"), code=2).stderr
    assert "is not a report's folder: results.json cannot be read" in absent


@pytest.mark.parametrize("size", ["medium", "full"])
def test_the_larger_sizes_begin(stack: Settings, tmp_path: Path, size: str) -> None:
    study = start(stack, "study", "--size", size, "--claims", "3", "--output", str(tmp_path / "report"))
    assert study.stderr is not None
    heard = iter(study.stderr.readline, "")
    assert any("claim 3: 0 of " in line for line in heard)
    study.send_signal(signal.SIGINT)
    study.communicate(timeout=120)
    assert study.returncode == 130


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--claims", "9"], "give numbers from 1 to 7"),
        (["--size", "huge"], "'huge' is not one of 'tiny', 'short', 'medium', 'full'"),
        (["--resume", "00000000-0000-0000-0000-000000000000", "--size", "full"], "leave out --size"),
        (["--merge", ".", "--size", "tiny"], "leave out every other option but --output and --json"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(stack: Settings, arguments: list[str], sentence: str) -> None:
    assert sentence in run(stack, "study", *arguments, code=2).stderr
