"""Evaluation: challenger and champion side by side, and the gate's decision."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from tasks.connections import connect
from tasks.progress import progress_artifact
from tasks.retrying import retried_task
from wgan.config import PromotionConfig, RetrainConfig
from wgan.evaluation.summary import evaluation_markdown
from wgan.judging import decide_version, evaluate_training, evaluate_version
from wgan.records import EvaluationRef, GateDecision, ModelVersionRef, TrainingRef


@retried_task("evaluate generator")
def evaluate_generator(config: RetrainConfig, training: TrainingRef) -> EvaluationRef:
    """Measure the trained generator and the model's champion on the same images and seeds."""
    settings, storage = connect()
    with progress_artifact("evaluation", f"Evaluating {config.model_name}"):
        return evaluate_training(config, training, settings, storage)


@retried_task("evaluate version")
def evaluate_registered(config: RetrainConfig, version: ModelVersionRef) -> ModelVersionRef:
    """Measure a registered version and today's champion on the same images and seeds."""
    settings, storage = connect()
    with progress_artifact("evaluation", f"Evaluating {version.model_name} version {version.version}"):
        return evaluate_version(config, version, settings, storage)


@retried_task("decide")
def decide_promotion(rules: PromotionConfig, version: ModelVersionRef) -> GateDecision:
    """Ask the gate; its answer with all its numbers is an artifact."""
    settings, _ = connect()
    decision = decide_version(rules, version, settings)
    evaluation = version.evaluation
    create_markdown_artifact(
        markdown=evaluation_markdown(evaluation.challenger, evaluation.champion, decision),
        key="gate-decision",
        description=f"{version.model_name} version {version.version}: "
        f"{'promote' if decision.promote else 'do not promote'}",
    )
    return decision
