"""The training that the drills disturb, and what must hold for its outcome in every case."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from tests.drills.faulty_stack import FaultyStack
from tests.integration.command_line import quick
from tests.integration.serving_process import client_of
from tests.integration.worker_process import task_runs
from wgan.steps.report_data import PAGE_NAME, RECORD_NAME
from wgan.storage import split_uri
from wgan.tracking.runs import metric_history

STEPS = 40
EVERY = 8
"""Generator steps between checkpoints."""
COMMON = (
    f"training.generator_steps={STEPS}",
    f"training.checkpoint_every_steps={EVERY}",
    "training.sample_every=20",
    "training.n_critic=2",
    "training.precision=float32",
)
FIRST_CHECKPOINT = rf"PUT /wgan/checkpoints/.*/step-{EVERY:08d}\.pt"
LAST_CHECKPOINT = rf"PUT /wgan/checkpoints/.*/step-{STEPS:08d}\.pt"


def common(name: str, *more: str) -> list[str]:
    """A training of a few seconds whose numbers are always the same, registered as generator-<name>."""
    return quick(name, *COMMON, *more)


def flow_run_of(output: str) -> str:
    """The flow run's id, which the command prints at its start."""
    found = re.search(r"flow run: ([0-9a-f-]{36})", output)
    assert found, output
    return found[1]


def assert_whole(faulty: FaultyStack, outcome: Any, undisturbed: Any) -> None:
    """Assert that nothing is lost, duplicated or partial, and that the numbers are those of the undisturbed run."""
    version, model = outcome["version"], outcome["version"]["model_name"]
    training = version["evaluation"]["training"]
    assert version["onnx_sha256"] == undisturbed["version"]["onnx_sha256"]

    # Data: the same files, and only those that the manifest names.
    files = [_data_files(faulty, one["version"]["evaluation"]["training"]["dataset"]) for one in (outcome, undisturbed)]
    assert files[0] == files[1]

    # Training: the newest checkpoints are the kept ones, no metric step is missing, no picture comes twice.
    assert [checkpoint.step for checkpoint in faulty.checkpoints(training["flow_run_id"])] == [STEPS, STEPS - EVERY]
    run = training["mlflow_run_id"]
    assert _numbers(faulty, run) == _numbers(faulty, undisturbed["version"]["evaluation"]["training"]["mlflow_run_id"])
    client = client_of(faulty.settings)
    pictures = [Path(entry.path).name for entry in client.list_artifacts(run, "images") if entry.path.endswith(".png")]
    steps = Counter(int(re.split(r"[+%]", name)[2]) for name in pictures)
    assert steps == {0: 1, STEPS // 2: 1, STEPS: 2}  # the last one stands alone, too
    assert client.get_run(run).info.status == "FINISHED"

    # Registry and ledger: one version, of one whole logged model, promoted once.
    assert [entry.version for entry in client.search_model_versions(f"name = '{model}'")] == ["1"]
    assert client.get_registered_model(model).aliases == {"champion": "1"}
    logged = client.search_logged_models([client.get_run(run).info.experiment_id], f"source_run_id = '{run}'")
    assert [str(entry.status) for entry in logged] == ["READY"]
    folder = f"{faulty.settings.mlflow_prefix}/{client.get_run(run).info.experiment_id}/models/"
    uploaded = {entry.key.removeprefix(folder).split("/")[0] for entry in faulty.storage.list(folder)}
    every = client.search_logged_models([client.get_run(run).info.experiment_id], max_results=1000)
    assert uploaded == {entry.model_id for entry in every}, "files of a registration that failed are left"
    ledger = list(faulty.storage.list(f"{faulty.settings.promotions_prefix}/{model}/"))
    assert len(ledger) == 1

    assert not faulty.storage.list_uploads()


def retries(faulty: FaultyStack, flow_run_id: str) -> dict[str, int]:
    """Retried step → number of retries."""
    runs = task_runs(faulty.settings, flow_run_id)
    return {run["name"].rsplit("-", 1)[0]: run["run_count"] - 1 for run in runs if run["run_count"] > 1}


def _data_files(faulty: FaultyStack, dataset: Any) -> dict[str, str]:
    folder = split_uri(dataset["uri"])[1].rsplit("/", 1)[0]
    found = {entry.key.rsplit("/", 1)[1]: entry.etag for entry in faulty.storage.list(f"{folder}/")}
    # They name the data set, so that their digests are others.
    return found | dict.fromkeys(found.keys() & {"manifest.json", PAGE_NAME, RECORD_NAME}, "there")


def _numbers(faulty: FaultyStack, run_id: str) -> dict[int, dict[str, float]]:
    history = metric_history(faulty.settings, run_id)
    assert set(range(1, STEPS + 1)) <= set(history)
    return {
        step: {name: value for name, value in values.items() if name != "images_per_second"}
        for step, values in history.items()
        if step
    }
