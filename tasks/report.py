"""The report: what a retraining did, as artifacts in Prefect and a description in MLflow."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import create_image_artifact, create_link_artifact, create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from tasks.connections import connect
from tasks.retrying import retried_task
from tasks.run_time import seconds_worked
from wgan import progress
from wgan.records import RetrainOutcome
from wgan.steps.report import retrain_markdown
from wgan.tracking.earlier_runs import RUN_SECONDS
from wgan.tracking.run_status import (
    CURVES,
    PICTURES_TAB,
    artifact_url,
    describe_run,
    end_run,
    end_unfinished_run,
    log_value,
    run_url,
)


@retried_task("publish report")
def publish_report(outcome: RetrainOutcome) -> None:
    """Publish the outcome as Prefect artifacts and on MLflow's run page."""
    settings, _ = connect()
    training = outcome.version.evaluation.training
    run_id = training.mlflow_run_id
    samples = artifact_url(settings, run_id, training.sample_grid)
    markdown = retrain_markdown(outcome, samples)
    create_markdown_artifact(markdown=markdown, key="retrain-report", description=outcome.version.model_name)
    create_image_artifact(
        image_url=samples,
        key="sample-grid",
        description="Samples of fixed noise at the last step",
    )
    create_image_artifact(
        image_url=artifact_url(settings, run_id, CURVES), key="training-curves", description="Training curves"
    )
    create_link_artifact(link=run_url(settings, run_id, PICTURES_TAB), key="mlflow-run", link_text="The run in MLflow")
    describe_run(settings, run_id, markdown)
    if (seconds := seconds_worked()) is not None:
        log_value(settings, run_id, RUN_SECONDS, seconds)
    end_run(settings, run_id, "FINISHED")


def announce_run(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a starting flow: announce its run id, so that it can be resumed whatever happens to this process."""
    progress.announce("flow run", str(flow_run.id))


def end_run_as_failed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a failed flow: end its MLflow run."""
    settings, _ = connect()
    end_unfinished_run(settings, str(flow_run.id), "FAILED")


def end_run_as_killed(flow: Flow[..., Any] | None, flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a crashed or cancelled flow: end its MLflow run."""
    settings, _ = connect()
    end_unfinished_run(settings, str(flow_run.id), "KILLED")
