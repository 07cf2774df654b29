"""Registered versions of a model on real digits without training: random generators, exported and registered."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlflow.entities import Metric

from tests.unit.registry.examples import example_evaluation, example_generator
from wgan.config import RetrainConfig
from wgan.data.prepare import prepare_dataset
from wgan.records import EvaluationRef, ModelVersionRef
from wgan.registry.registration import register_generator
from wgan.settings import Settings
from wgan.steps.export import write_export
from wgan.storage import Storage
from wgan.tracking.client import tracking_client

EXPERIMENT = "untrained versions"


def digits_config(name: str, **data: object) -> RetrainConfig:
    """The digits at 32×32 under the model generator-<name>, with a protocol that takes a second."""
    return RetrainConfig.model_validate(
        {
            "data": {"source": "digits", "name": name, **data},
            "networks": {"width": 4, "latent_dim": 8},
            "evaluation": {"sample_count": 64, "seeds": 2, "extractor": "pixels"},
        }
    )


def register_untrained(
    config: RetrainConfig, seed: int, settings: Settings, storage: Storage, contrast: float = 1.0
) -> ModelVersionRef:
    """Register the random generator of a seed as the next version of the configuration's model.

    Its MLflow run has curves of eight steps; its record says that it was trained on the prepared data set, and the
    metrics of `example_evaluation`. A `contrast` of 20 draws almost only black and white, further from any data than
    what the shortest training draws.
    """
    client = tracking_client(settings)
    found = client.get_experiment_by_name(EXPERIMENT)
    run = client.create_run(found.experiment_id if found else client.create_experiment(EXPERIMENT)).info.run_id
    names = ("wasserstein_estimate", "wasserstein_median", "critic_loss", "generator_loss")
    curves = [Metric(name, 1.0 / (step + seed + 1), 0, step) for name in names for step in range(1, 9)]
    client.log_batch(run, metrics=curves)
    dataset = prepare_dataset(config.data, settings, storage)
    evaluation = example_evaluation(config, run, checkpoint_sha256=f"{seed:064x}")
    training = evaluation.training.model_copy(update={"dataset": dataset, "networks": config.networks})
    protocol = evaluation.challenger.protocol.model_copy(update={"data_digest": dataset.digest})
    measured = evaluation.challenger.model_copy(update={"protocol": protocol})
    with tempfile.TemporaryDirectory() as folder:
        generator = example_generator(seed, channels=config.data.channels, image_size=config.data.image_size)
        for tensor in list(generator.parameters())[-2:]:
            tensor.data *= contrast
        exported = write_export(generator, Path(folder))
        return register_generator(EvaluationRef(training=training, challenger=measured), exported, config, settings)
