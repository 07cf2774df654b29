"""Evaluation: challenger and champion side by side, and the gate's decision."""

from __future__ import annotations

from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact
from prefect.logging import get_run_logger

from tasks.connections import connect
from tasks.device_slots import evaluation_device
from tasks.progress import progress_artifact
from tasks.retrying import retried_task
from tasks.run_logs import log_decision
from wgan.config import RetrainConfig
from wgan.config_promotion import PromotionConfig
from wgan.metric_text.summary import evaluation_markdown, grids_markdown, judgement_markdown
from wgan.metric_text.table import metric_rows, text_table
from wgan.metric_text.untrained import untrained_warning
from wgan.records import EvaluationRef, GateDecision, ModelVersionRef, TrainingRef
from wgan.registry.aliases import named_version
from wgan.steps.evaluate import compare_with_champion, decide_version, judge_version, measure_training
from wgan.steps.measure import ProtocolName, Report, measure_version
from wgan.tracking.run_status import artifact_url


@retried_task("evaluate generator")
def evaluate_generator(config: RetrainConfig, training: TrainingRef) -> EvaluationRef:
    """Measure the trained generator."""
    settings, storage = connect()
    with evaluation_device(settings) as device, progress_artifact("evaluation", f"Evaluating {config.model_name}"):
        chosen = settings.model_copy(update={"device": device})
        return measure_training(config, training, chosen, storage)


@retried_task("compare with champion")
def compare_generator(config: RetrainConfig, version: ModelVersionRef) -> ModelVersionRef:
    """Measure the model's champion like its newly registered version."""
    settings, storage = connect()
    with (
        evaluation_device(settings) as device,
        progress_artifact("comparison", f"Comparing {config.model_name} version {version.version}"),
    ):
        chosen = settings.model_copy(update={"device": device})
        return compare_with_champion(config, version, chosen, storage)


@retried_task("evaluate version")
def evaluate_registered(config: RetrainConfig, version: ModelVersionRef) -> ModelVersionRef:
    """Measure a registered version and today's champion on the same images and seeds."""
    settings, storage = connect()
    with (
        evaluation_device(settings) as device,
        progress_artifact("evaluation", f"Evaluating {version.model_name} version {version.version}"),
    ):
        chosen = settings.model_copy(update={"device": device})
        return judge_version(config, version, chosen, storage)


@retried_task("measure version")
def measure_registered(model_name: str, version: str, protocol: ProtocolName) -> Report:
    """Measure a version, given as a number or an alias, beside real images and an untrained generator."""
    settings, storage = connect()
    number = named_version(model_name, version, settings)
    with (
        evaluation_device(settings) as device,
        progress_artifact("evaluation", f"Evaluating {model_name} version {number}"),
    ):
        chosen = settings.model_copy(update={"device": device})
        report = measure_version(model_name, number, protocol, chosen, storage)
    create_markdown_artifact(
        markdown=f"# {report.headline}\n\n{evaluation_markdown(report.measurement, None, None, report.bounds)}",
        key="evaluation-report",
        description=report.target,
    )
    return report


@retried_task("decide")
def decide_promotion(rules: PromotionConfig, version: ModelVersionRef) -> GateDecision:
    """Apply the gate; its decision with all numbers, and samples of both sides, become artifacts."""
    settings, _ = connect()
    decision = decide_version(rules, version, settings)
    log_decision(version.model_name, version.version, decision)
    if (warning := untrained_warning(version.evaluation)) is not None:
        get_run_logger().warning(warning)
    evaluation = version.evaluation
    run_id = evaluation.training.mlflow_run_id
    outcome = f"{version.model_name} version {version.version}: {'promote' if decision.promote else 'do not promote'}"
    pictures = {side: artifact_url(settings, run_id, path) for side, path in evaluation.grids.items()}
    create_markdown_artifact(
        markdown=f"{judgement_markdown(evaluation, decision)}\n\n{grids_markdown(pictures)}",
        key="gate-decision",
        description=outcome,
    )
    rows = metric_rows(evaluation.challenger, evaluation.champion, decision, evaluation.bounds)
    create_table_artifact(table=text_table(rows), key="gate-metrics", description=outcome)
    for side, url in pictures.items():
        create_image_artifact(image_url=url, key=f"samples-{side}", description=f"{outcome}. Samples of the {side}")
    return decision
