"""MLflow runs: created once per flow run and found by its id; their files, tables and single values."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_SOURCE_NAME, MLFLOW_USER

from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.tracking.client import tracking
from wgan.tracking.experiments import ensure_experiment, retraining_description
from wgan.tracking.run_status import FLOW_RUN_TAG


def start_or_resume_run(
    settings: Settings,
    flow_run_id: str,
    name: str,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    dataset: DatasetRef,
    started_by: str = "wgan",
) -> str:
    """The MLflow run of a flow run: found by its tag and resumed, or created. Returns the run's id.

    The tags are those of the last start, since the code may have changed.
    """
    with tracking(settings) as client:
        experiment_id = ensure_experiment(
            client, settings.mlflow_experiment, retraining_description(settings), columns=True
        )
        found = client.search_runs([experiment_id], f"tags.`{FLOW_RUN_TAG}` = '{flow_run_id}'", max_results=1)
        if found:
            run_id: str = found[0].info.run_id
            client.update_run(run_id, status="RUNNING")
            client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
            return run_id
        run = client.create_run(
            experiment_id,
            run_name=name,
            tags={FLOW_RUN_TAG: flow_run_id, MLFLOW_SOURCE_NAME: "flows/retrain.py", MLFLOW_USER: started_by, **tags},
        )
        run_id = run.info.run_id
        client.log_batch(run_id, params=[Param(key, value) for key, value in parameters.items()])
        client.log_inputs(run_id, datasets=[_dataset_input(dataset)])
        return run_id


def _dataset_input(dataset: DatasetRef) -> DatasetInput:
    profile = {
        "images": dataset.count,
        "held_out": dataset.held_out_count,
        "left_out": dataset.bad_count,
        "classes": len(dataset.classes),
    }
    shape = [-1, dataset.channels, dataset.image_size, dataset.image_size]
    schema = {
        "mlflow_tensorspec": {
            "features": json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": shape}}])
        }
    }
    entity = Dataset(
        name=dataset.name,
        digest=dataset.digest[:36],
        source_type="s3",
        source=json.dumps({"uri": dataset.uri}),
        schema=json.dumps(schema),
        profile=json.dumps(profile),
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training")])


def log_values(
    settings: Settings, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str] | None = None
) -> None:
    """Log single values (step 0) and tags in one request."""
    now = int(time.time() * 1000)
    with tracking(settings) as client:
        client.log_batch(
            run_id,
            metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
            tags=[RunTag(key, value) for key, value in (tags or {}).items()],
        )


def log_file(settings: Settings, run_id: str, path: Path, folder: str | None = None) -> None:
    """Upload a file as an artifact of the run."""
    with tracking(settings) as client:
        client.log_artifact(run_id, str(path), folder)


def log_table(settings: Settings, run_id: str, columns: Mapping[str, Sequence[str | float]], path: str) -> None:
    """Log columns of equal length as a table, `path` ending in .json; rows are appended to an existing table."""
    # As objects: pandas 3 would infer its own string type, which MLflow does not expect.
    table = pd.DataFrame({name: list(values) for name, values in columns.items()}, dtype=object)
    with tracking(settings) as client:
        client.log_table(run_id, table, path)


def metric_history(settings: Settings, run_id: str) -> dict[int, dict[str, float]]:
    """Generator step → metric name → value, of all attempts of the run, without system metrics."""
    history: dict[int, dict[str, float]] = {}
    with tracking(settings) as client:
        for name in client.get_run(run_id).data.metrics:
            if name.startswith("system/"):
                continue
            for metric in client.get_metric_history(run_id, name):
                history.setdefault(metric.step, {})[name] = metric.value
    return history


def fetch_artifact(settings: Settings, run_id: str, artifact: str, path: Path) -> None:
    """Download one artifact of the run to `path`, through a temporary folder beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tracking(settings) as client,
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as folder,
    ):
        Path(client.download_artifacts(run_id, artifact, folder)).replace(path)
