"""Registration: a trained generator becomes a version of the registered model."""

from __future__ import annotations

from tasks.connections import connect
from tasks.retrying import retried_task
from wgan.config import RetrainConfig
from wgan.records import EvaluationRef, ModelVersionRef
from wgan.steps.register import register_training
from wgan.tracking.names import name_registered_run


@retried_task("register generator")
def register_generator(config: RetrainConfig, evaluation: EvaluationRef) -> ModelVersionRef:
    """Export the generator, check the export and register it; a repeated call returns the existing version."""
    settings, storage = connect()
    version = register_training(config, evaluation, settings, storage)
    name_registered_run(version.model_name, version.version, settings)
    return version
