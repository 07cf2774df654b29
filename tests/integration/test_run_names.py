"""Names of MLflow runs show the outcome of their version; over MLflow's REST API."""

from __future__ import annotations

import logging
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from tests.unit.registry.examples import example_config, example_evaluation, example_generator
from wgan.records import LedgerEntry, ModelVersionRef
from wgan.registry.registration import register_generator
from wgan.settings import Settings
from wgan.steps.export import write_export
from wgan.storage import Storage
from wgan.tracking.client import tracking_client
from wgan.tracking.names import first_name, name_judged_runs, name_registered_run
from wgan.tracking.parameters import compared_parameters
from wgan.tracking.run_status import end_run
from wgan.tracking.runs import start_or_resume_run


@pytest.fixture
def versions(stack: Settings, storage: Storage, tmp_path: Path) -> list[ModelVersionRef]:
    """Two versions of the test's own model, each with its own run."""
    storage.ensure_bucket()
    config = example_config(f"named-{uuid.uuid4().hex[:8]}")
    exported = write_export(example_generator(), tmp_path)
    made = []
    for number in (1, 2):
        evaluation = example_evaluation(config, checkpoint_sha256=f"{number}" * 64)
        run = start_or_resume_run(
            stack,
            uuid.uuid4().hex,
            first_name(config.data.dataset_name, config.training.seed),
            compared_parameters(config, "cpu"),
            {},
            evaluation.training.dataset,
        )
        training = evaluation.training.model_copy(update={"mlflow_run_id": run})
        made.append(register_generator(evaluation.model_copy(update={"training": training}), exported, config, stack))
    return made


def entry(
    action: Literal["promoted", "refused", "rolled-back"], from_version: int | None, to: ModelVersionRef
) -> LedgerEntry:
    return LedgerEntry(
        id="0" * 12,
        model_name=to.model_name,
        action=action,
        time=datetime.now(UTC),
        from_version=from_version,
        to_version=to.version,
        reason="for a test",
    )


def name_of(version: ModelVersionRef, settings: Settings) -> str:
    name = tracking_client(settings).get_run(version.evaluation.training.mlflow_run_id).info.run_name
    return str(name).replace(version.evaluation.training.dataset.name, "digits")


def test_a_run_is_named_by_data_set_version_outcome_and_seed(stack: Settings, versions: list[ModelVersionRef]) -> None:
    first, second = versions
    assert name_of(first, stack) == "digits · seed 0"
    name_registered_run(first.model_name, 1, stack)
    assert name_of(first, stack) == "digits · v1 · registered · seed 0"
    name_judged_runs(entry("promoted", None, first), stack)
    assert name_of(first, stack) == "digits · v1 · promoted · seed 0"
    name_judged_runs(entry("refused", 1, second), stack)
    assert name_of(second, stack) == "digits · v2 · refused · seed 0"


def test_a_rollback_names_both_runs(stack: Settings, versions: list[ModelVersionRef]) -> None:
    name_judged_runs(entry("rolled-back", 2, versions[0]), stack)
    assert [name_of(version, stack) for version in versions] == [
        "digits · v1 · promoted · seed 0",
        "digits · v2 · rolled back · seed 0",
    ]


def test_a_repeated_registration_keeps_the_name_from_the_gate(stack: Settings, versions: list[ModelVersionRef]) -> None:
    first, _ = versions
    tracking_client(stack).set_model_version_tag(first.model_name, "1", "gate", "promoted")
    name_judged_runs(entry("promoted", None, first), stack)
    name_registered_run(first.model_name, 1, stack)
    assert name_of(first, stack) == "digits · v1 · promoted · seed 0"


def test_renaming_changes_nothing_else_about_the_run(stack: Settings, versions: list[ModelVersionRef]) -> None:
    run_id = versions[0].evaluation.training.mlflow_run_id
    end_run(stack, run_id, "FINISHED")
    before = tracking_client(stack).get_run(run_id)
    name_judged_runs(entry("promoted", None, versions[0]), stack)
    after = tracking_client(stack).get_run(run_id)
    assert (after.info.status, after.info.end_time) == (before.info.status, before.info.end_time)
    assert after.data.params == before.data.params


def test_a_name_that_cannot_be_written_is_a_warning(
    stack: Settings, versions: list[ModelVersionRef], free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    away = stack.model_copy(update={"mlflow_tracking_uri": f"http://127.0.0.1:{free_port}"})
    foreign = tracking_client(stack)
    experiment = foreign.create_experiment(f"foreign {uuid.uuid4().hex[:8]}")
    run_id = foreign.create_run(experiment, run_name="theirs").info.run_id
    model_id = foreign.create_logged_model(experiment, source_run_id=run_id).model_id
    foreign.create_model_version(versions[0].model_name, source=f"models:/{model_id}", run_id=run_id, model_id=model_id)
    with caplog.at_level(logging.WARNING, "wgan.tracking.names"):
        name_registered_run(versions[0].model_name, 1, away)
        name_registered_run(versions[0].model_name, 99, stack)
        name_registered_run(versions[0].model_name, 3, stack)
    told = [(record.levelname, record.message) for record in caplog.records if record.name == "wgan.tracking.names"]
    assert [level for level, _ in told] == ["WARNING"] * 3
    assert all("keeps its name" in message for _, message in told)
    assert name_of(versions[0], stack) == "digits · seed 0"
    assert foreign.get_run(run_id).info.run_name == "theirs"


def test_naming_does_not_import_mlflow() -> None:
    code = "import sys, wgan.tracking.names; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
