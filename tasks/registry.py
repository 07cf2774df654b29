"""Registry: a version registered, an alias moved, a ledger entry written."""

from __future__ import annotations

from prefect import runtime, task

from tasks.connections import connect
from tasks.retrying import RETRIES, RETRY_DELAYS, worth_retrying
from tasks.slots import sole_promotion
from wgan.config import RetrainConfig
from wgan.records import EvaluationRef, GateDecision, ModelVersionRef, PromotionRef
from wgan.registration import register_training
from wgan.registry import promotion
from wgan.registry.versions import load_configuration, load_version


@task(
    name="register generator",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS,
    retry_condition_fn=worth_retrying,
)
def register_generator(config: RetrainConfig, evaluation: EvaluationRef) -> ModelVersionRef:
    """Export the generator, check the export and register it; a repeated call finds the version it made."""
    settings, storage = connect()
    return register_training(config, evaluation, settings, storage)


@task(name="find version", retries=RETRIES, retry_delay_seconds=RETRY_DELAYS, retry_condition_fn=worth_retrying)
def find_version(model_name: str, version: int) -> ModelVersionRef:
    """The whole record of a registered version."""
    settings, _ = connect()
    return load_version(model_name, version, settings)


@task(name="read configuration", retries=RETRIES, retry_delay_seconds=RETRY_DELAYS, retry_condition_fn=worth_retrying)
def read_configuration(version: ModelVersionRef) -> RetrainConfig:
    """The configuration of the run that made the version: its protocol and its gate."""
    settings, _ = connect()
    return load_configuration(version.model_name, version.version, settings)


@task(
    name="promote generator",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS,
    retry_condition_fn=worth_retrying,
)
def promote_generator(
    version: ModelVersionRef,
    decision: GateDecision,
    force: bool = False,
    reason: str | None = None,
    actor: str | None = None,
) -> PromotionRef:
    """Make the version the champion if the gate says so or it is forced, and write the ledger either way."""
    settings, storage = connect()
    with sole_promotion(version.model_name):
        return promotion.promote(
            version,
            decision,
            settings,
            storage,
            force=force,
            reason=reason,
            flow_run_id=str(runtime.flow_run.id),
            expected_champion=version.evaluation.champion_version,
            actor=actor,
        )


@task(
    name="roll back",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS,
    retry_condition_fn=worth_retrying,
)
def roll_back_model(model_name: str, to: int | None, reason: str, actor: str | None = None) -> PromotionRef:
    """Make the previous champion, or the given version, the champion again."""
    settings, storage = connect()
    with sole_promotion(model_name):
        return promotion.rollback(
            model_name,
            to,
            settings,
            storage,
            reason=reason,
            flow_run_id=str(runtime.flow_run.id),
            actor=actor,
        )
