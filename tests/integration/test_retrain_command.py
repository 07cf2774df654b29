"""The main job through the command line, on real servers: data, training, registration, promotion, and resuming."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run as run_wgan
from tests.integration.stack_commands import start as start_wgan
from wgan.config import config_digest
from wgan.config_reading import load_config
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.checkpoints import latest_checkpoints
from wgan.tracking.client import tracking_client
from wgan.tracking.pictures import logged_stems
from wgan.tracking.runs import fetch_artifact, metric_history

pytestmark = pytest.mark.slow(minutes=7)


@dataclass(frozen=True)
class First:
    """The outcome of a model's first retraining, and the champion right after it."""

    outcome: Any
    champion: int


def retrain_first(settings: Settings) -> First:
    outcome = json_of(settings, "retrain", *quick("first", "evaluation.extractor=auto"))
    champion = tracking_client(settings).get_model_version_by_alias("generator-first", "champion")
    return First(outcome, int(champion.version))


@pytest.fixture(scope="module")
def first_retraining(stack: Settings) -> First:
    return retrain_first(stack)


@pytest.fixture
def first(first_retraining: First) -> Any:
    return first_retraining.outcome


def test_the_outcome_walks_back_to_run_checkpoint_and_data(first: Any, stack: Settings, storage: Storage) -> None:
    training = first["version"]["evaluation"]["training"]
    assert training["generator_steps"] == 12
    assert len(training["dataset"]["digest"]) == 64
    assert training["dataset"]["count"] + training["dataset"]["held_out_count"] == 1797
    assert storage.exists(training["checkpoint_uri"].removeprefix(f"s3://{stack.bucket}/"))
    run = tracking_client(stack).get_run(training["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["generator_steps"] == "12"


def test_the_first_version_is_promoted_over_the_floors(first: Any, first_retraining: First) -> None:
    assert first["promotion"]["action"] == "promoted"
    assert first["promotion"]["from_version"] is None
    assert first_retraining.champion == first["version"]["version"]


def test_every_step_is_in_mlflow_and_the_pictures_are_a_series(first: Any, stack: Settings) -> None:
    run_id = first["version"]["evaluation"]["training"]["mlflow_run_id"]
    history = metric_history(stack, run_id)
    trained = {step for step, values in history.items() if "wasserstein_estimate" in values}
    assert trained == set(range(1, 13))
    pictures, halves = logged_stems(tracking_client(stack), run_id)
    assert pictures == {*(("samples/steps", step) for step in (0, 6, 12)), ("samples/trained", 12)}
    assert not halves


def test_the_name_of_the_run_shows_its_outcome(first: Any, stack: Settings) -> None:
    run = tracking_client(stack).get_run(first["version"]["evaluation"]["training"]["mlflow_run_id"])
    assert run.info.run_name == f"first · v{first['version']['version']} · promoted · seed 0"


def test_the_run_has_few_tags_and_parameters_and_its_whole_configuration_as_a_file(
    first: Any, stack: Settings, tmp_path: Path
) -> None:
    training = first["version"]["evaluation"]["training"]
    run = tracking_client(stack).get_run(training["mlflow_run_id"])
    own = {key for key in run.data.tags if key.startswith("wgan.")}
    assert own == {
        "wgan.flow_run_id", "wgan.data_digest", "wgan.code_version", "wgan.execution", "wgan.workload", "wgan.version",
    }  # fmt: skip
    assert len(run.data.params) == 12
    fetch_artifact(stack, training["mlflow_run_id"], "config.yaml", tmp_path / "config.yaml")
    assert config_digest(load_config(file=tmp_path / "config.yaml")) == training["config_digest"]


def test_run_record_and_version_name_the_same_version_of_the_code(first: Any, stack: Settings) -> None:
    version, training = first["version"], first["version"]["evaluation"]["training"]
    client = tracking_client(stack)
    of_run = client.get_run(training["mlflow_run_id"]).data.tags["wgan.code_version"]
    of_version = client.get_model_version(version["model_name"], str(version["version"])).tags["code_version"]
    assert of_run == of_version == training["code_version"]


def test_the_description_of_the_run_begins_with_its_samples(first: Any, stack: Settings) -> None:
    training = first["version"]["evaluation"]["training"]
    description = tracking_client(stack).get_run(training["mlflow_run_id"]).data.tags["mlflow.note.content"]
    found = re.match(r"!\[Samples of version \d+\]\((.+?)\)\n\n# generator-first version", description)
    assert found is not None
    with Image.open(io.BytesIO(httpx.get(found[1]).content)) as picture:
        assert picture.format == "PNG"


def test_the_sample_grid_is_a_picture_of_many_tones(first: Any) -> None:
    with Image.open(first["sample_grid"]) as picture:
        assert picture.width > 200
        assert len(picture.convert("L").getcolors()) > 20


def test_results_of_tasks_are_json_in_the_bucket(first: Any, stack: Settings, storage: Storage) -> None:
    results = [json.loads(storage.get_bytes(entry.key)) for entry in storage.list(f"{stack.prefect_prefix}/")]
    of_tasks = [result for result in results if "metadata" in result]
    assert len(of_tasks) >= 5
    assert {result["metadata"]["serializer"]["type"] for result in of_tasks} == {"json"}


def test_no_persistent_object_is_a_pickle(first: Any, stack: Settings, storage: Storage) -> None:
    models = [entry.key for entry in storage.list(f"{stack.mlflow_prefix}/")]
    assert any(key.endswith(".onnx") for key in models)
    assert not [key for key in models if key.endswith((".pkl", ".pickle", ".pth", ".pt2"))]


def test_a_second_run_reuses_the_data_and_starts_from_the_champion_it_is_compared_with(
    first: Any, stack: Settings
) -> None:
    changes = ("training.seed=1", "evaluation.extractor=auto", "training.start_from=champion")
    second = json_of(stack, "retrain", *quick("first", *changes))
    champion = first["version"]["uri"]
    assert second["version"]["evaluation"]["training"]["started_from"] == champion
    assert second["promotion"]["decision"]["remarks"] == [f"Training started from both networks of {champion}."]
    assert (
        second["version"]["evaluation"]["training"]["dataset"] == first["version"]["evaluation"]["training"]["dataset"]
    )
    assert second["version"]["evaluation"]["champion_version"] == first["version"]["version"]
    assert second["promotion"]["decision"]["first_model"] is False
    assert second["promotion"]["action"] in ("promoted", "refused")


def test_the_summary_names_version_decision_checkpoint_picture_and_pages(stack: Settings) -> None:
    result = run_wgan(stack, "retrain", *quick("summary", "training.evaluate_every=6"))
    text = result.stdout
    assert "the lowest of 2 evaluations during training" in text
    assert re.search(r"flow run: [0-9a-f-]{36}", result.stderr)
    for part in ("generator-summary version 1", "promoted", "Wasserstein estimate", ".png", stack.mlflow_tracking_uri):
        assert part in text


def wait_for_step(settings: Settings, storage: Storage, process: subprocess.Popen[str], known: set[str]) -> str:
    """Wait until the one new flow run has a checkpoint; returns its id."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        runs = {entry.key.split("/")[1] for entry in storage.list(f"{settings.checkpoints_prefix}/")} - known
        for run in runs:
            if latest_checkpoints(run, settings, storage):
                return run
        time.sleep(0.1)
    raise TimeoutError("no checkpoint appeared")


def known_runs(settings: Settings, storage: Storage) -> set[str]:
    return {entry.key.split("/")[1] for entry in storage.list(f"{settings.checkpoints_prefix}/")}


LONGER = ("training.generator_steps=120", "training.checkpoint_every_steps=10", "training.precision=float32")


def weights_digest(outcome: Any) -> str:
    return str(outcome["version"]["onnx_sha256"])


@pytest.fixture(scope="module")
def uninterrupted(stack: Settings) -> Any:
    return json_of(stack, "retrain", *quick("longer", *LONGER), "--no-promote")


def test_without_promotion_the_version_is_registered_and_no_alias_moves(uninterrupted: Any, stack: Settings) -> None:
    assert uninterrupted["promotion"] is None
    model = tracking_client(stack).get_registered_model(uninterrupted["version"]["model_name"])
    assert model.aliases == {}
    assert tracking_client(stack).get_model_version(model.name, str(uninterrupted["version"]["version"]))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_an_interrupted_run_resumes_and_equals_the_uninterrupted_one_to_the_bit(
    number: signal.Signals, code: int, stack: Settings, storage: Storage, uninterrupted: Any
) -> None:
    known = known_runs(stack, storage)
    process = start_wgan(stack, "retrain", *quick("longer", *LONGER), "--no-promote")
    flow_run = wait_for_step(stack, storage, process, known)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    if number != signal.SIGKILL:
        assert f"wgan retrain --resume {flow_run}" in errors.replace("\n", " ")
        assert "Traceback" not in errors
    resumed = json_of(stack, "retrain", "--resume", flow_run)
    training = resumed["version"]["evaluation"]["training"]
    assert training["flow_run_id"] == flow_run
    assert weights_digest(resumed) == weights_digest(uninterrupted)
    steps = [
        metric.step
        for metric in tracking_client(stack).get_metric_history(training["mlflow_run_id"], "wasserstein_estimate")
    ]
    assert sorted(steps) == list(range(1, 121))


def test_a_completed_run_cannot_be_resumed(first: Any, stack: Settings) -> None:
    flow_run = first["version"]["evaluation"]["training"]["flow_run_id"]
    assert "has completed" in run_wgan(stack, "retrain", "--resume", flow_run, code=1).stderr


def test_a_run_that_was_never_started_cannot_be_resumed(stack: Settings) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    assert f"no flow run {unknown}" in run_wgan(stack, "retrain", "--resume", unknown, code=1).stderr.replace("\n", " ")


def test_mistakes_are_one_sentence_and_exit_code_2(stack: Settings) -> None:
    for arguments, part in (
        (("retrain",), "--preset"),
        (("retrain", "--preset", "nope"), "no preset 'nope'"),
        (("retrain", "--preset", "digits", "--set", "training.lr=0"), "training.lr=0"),
    ):
        result = run_wgan(stack, *arguments, code=2)
        assert part in result.stderr.replace("\n", " ")
        assert "Traceback" not in result.stderr
        assert result.stdout == ""


def test_a_dry_run_shows_configuration_and_steps_without_a_server(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    plan = json_of(settings, "retrain", "--preset", "digits", "--set", "training.lr=1e-4", "--dry-run")
    assert plan["config"]["training"]["lr"] == 1e-4
    assert plan["model_name"] == "generator-digits"
    assert [step.split()[0] for step in plan["steps"]] == ["prepare", "train", "evaluate", "register", "compare", "ask"]
    assert list(tmp_path.iterdir()) == []


def test_without_an_earlier_run_a_dry_run_measures_how_long_it_takes(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    plan = json_of(settings, "retrain", *quick("unknown"), "--dry-run", WGAN_PRICE_PER_HOUR="36 EUR")
    estimate = plan["estimate"]
    assert estimate["source"] == "measured"
    assert re.match(
        r"measured now: [\d,]+ critic and [\d,]+ generator steps? of the real networks on this machine with 1 thread, "
        r"in \d+ s$",
        estimate["basis"],
    )
    assert estimate["seconds"] == estimate["training_seconds"] + estimate["evaluation_seconds"] > 0
    assert estimate["rest_seconds"] is None
    assert estimate["cost"]["currency"] == "EUR"
    assert estimate["cost"]["amount"] == pytest.approx(estimate["seconds"] / 100, abs=1e-3)


def test_a_dry_run_takes_the_times_of_the_last_run_of_its_configuration(first: Any, stack: Settings) -> None:
    twice = quick("first", "evaluation.extractor=auto", "training.generator_steps=24")
    estimate = json_of(stack, "retrain", *twice, "--dry-run")["estimate"]
    assert estimate["source"] == "earlier run"
    assert "for 12 generator steps, in proportion" in estimate["basis"]
    client = tracking_client(stack)
    run = client.get_run(first["version"]["evaluation"]["training"]["mlflow_run_id"])
    same_work = f"tags.`wgan.workload` = '{run.data.tags['wgan.workload']}'"
    runs = client.search_runs([run.info.experiment_id], same_work)
    took = {round(2 * entry.data.metrics["system/training_seconds"], 6) for entry in runs}
    assert round(estimate["training_seconds"], 6) in took
    assert estimate["evaluation_seconds"] > 0
    assert estimate["rest_seconds"] > 0
    shown = run_wgan(stack, "retrain", *twice, "--dry-run", WGAN_PRICE_PER_HOUR="$3600").stdout
    assert re.search(r"It takes about .+: training .+, evaluation .+, the rest .+\.", shown)
    assert re.search(r"It costs about \$[\d.]+, at \$3,600 an hour\.", shown)
    assert "cost" not in run_wgan(stack, "retrain", *twice, "--dry-run").stdout


def test_another_batch_size_is_measured_again(first: Any, stack: Settings) -> None:
    other = quick("first", "evaluation.extractor=auto", "training.batch_size=8")
    assert json_of(stack, "retrain", *other, "--dry-run")["estimate"]["source"] == "measured"


def test_without_servers_the_command_says_how_to_start_them(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (tmp_path / "connection.json").write_text(
        json.dumps({"prefect_api_url": "http://127.0.0.1:9/api", "mlflow_tracking_uri": "http://127.0.0.1:9"})
    )
    errors = run_wgan(settings, "retrain", "--preset", "digits", code=1).stderr.replace("\n", " ")
    assert "wgan up" in errors
    assert "WGAN_PREFECT_API_URL" in errors
    assert "Traceback" not in errors
