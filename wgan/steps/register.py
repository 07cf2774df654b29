"""Turns a finished training into a registered version: fetches the checkpoint, exports it, registers it."""

from __future__ import annotations

from pathlib import Path

from wgan.config import RetrainConfig
from wgan.records import EvaluationRef, ModelVersionRef
from wgan.registry.registration import register_generator
from wgan.scratch import scratch_folder
from wgan.settings import Settings
from wgan.steps.export import export_generator
from wgan.storage import Storage, split_uri
from wgan.telemetry import span


def register_training(
    config: RetrainConfig, evaluation: EvaluationRef, settings: Settings, storage: Storage
) -> ModelVersionRef:
    """Export the generator of the evaluation's checkpoint and register it; a repeated call returns that version."""
    training = evaluation.training
    bucket, key = split_uri(training.checkpoint_uri)
    with scratch_folder("export") as name:
        folder = Path(name)
        storage.at(bucket).get_file(key, folder / "checkpoint.pt", training.checkpoint_sha256)
        exported = export_generator(folder / "checkpoint.pt", folder / "export")
        with span("registration", model=config.model_name) as traced:
            version = register_generator(evaluation, exported, config, settings)
            traced.note(version=version.version)
        return version
