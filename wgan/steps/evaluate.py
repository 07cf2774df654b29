"""Judge a challenger: measure it beside the champion, log the numbers to MLflow, and apply the gate."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan.config import RetrainConfig
from wgan.config_promotion import PromotionConfig
from wgan.data.dataset import PreparedImages
from wgan.data.prepare import open_or_repair
from wgan.errors import WganError
from wgan.evaluation.gate import decide
from wgan.evaluation.side_by_side import GenerateImages
from wgan.latents import draw_latents
from wgan.metric_text.table import metric_rows, number_columns
from wgan.model_version.inference import open_generator
from wgan.pixels import image_grid
from wgan.records import EvaluationRef, GateDecision, GateRule, Measurement, ModelVersionRef, TrainingRef
from wgan.registry.description import describe_version
from wgan.registry.judgement import judged_on
from wgan.registry.newest_data import newest_data
from wgan.registry.versions import champion_version, fetch_version
from wgan.scratch import scratch_folder
from wgan.settings import Settings
from wgan.steps.side_by_side import measure_champion, measure_generators
from wgan.storage import Storage, split_uri
from wgan.tracking.earlier_runs import COMPARISON_SECONDS, EVALUATION_SECONDS
from wgan.tracking.grids import CHALLENGER_GRID, EVALUATION_FOLDER, champion_grid, grid_artifact
from wgan.tracking.runs import log_file, log_table, log_values
from wgan.training.checkpoint import load_generator
from wgan.training.device import resolve_device
from wgan.training.sampling import generate_images

ENGINE_SEED = 2**31
ENGINE_SAMPLES = 4
GRID_IMAGES = 64
GRID_WIDTH = 96
"""Maximum size, in pixels, of an enlarged image in a grid."""


def measure_training(
    config: RetrainConfig, training: TrainingRef, settings: Settings, storage: Storage
) -> EvaluationRef:
    """Measure a trained generator alone, from its checkpoint; it is registered with these numbers.

    They and a sample grid go to the training's MLflow run.
    """
    began = time.monotonic()
    with scratch_folder("evaluation") as name:
        folder = Path(name)
        bucket, key = split_uri(training.checkpoint_uri)
        storage.at(bucket).get_file(key, folder / "checkpoint.pt", training.checkpoint_sha256)
        device = resolve_device(settings.device)
        generator = load_generator(folder / "checkpoint.pt").to(device)

        def challenger(seed: int, count: int) -> NDArray[np.uint8]:
            return generate_images(generator, seed, count, device)

        images = open_or_repair(training.dataset, config.data, settings, storage)
        evaluation = _measured(challenger, config, training, images, settings, storage, folder)
    log_values(settings, training.mlflow_run_id, {EVALUATION_SECONDS: time.monotonic() - began})
    return evaluation


def compare_with_champion(
    config: RetrainConfig, version: ModelVersionRef, settings: Settings, storage: Storage
) -> ModelVersionRef:
    """Measure the champion on the version's images and seeds; returns the version with both measurements.

    The champion is always measured again, so it is judged on today's data even if it was judged on other data before.
    The version's card then shows both. Every error says that the version is registered.
    """
    champion = champion_version(version.model_name, settings)
    if champion == version.version:  # a run resumed after its version was promoted manually
        champion = None
    training = version.evaluation.training
    began = time.monotonic()
    try:
        with scratch_folder("evaluation") as name:
            images = open_or_repair(training.dataset, config.data, settings, storage)
            evaluation = _beside_champion(champion, config, version.evaluation, images, settings, storage, Path(name))
        compared = version.model_copy(update={"evaluation": evaluation})
        if champion is not None:
            describe_version(compared, config, settings)
            log_values(settings, training.mlflow_run_id, {COMPARISON_SECONDS: time.monotonic() - began})
    except WganError as error:
        model, number = version.model_name, version.version
        raise type(error)(
            f"version {number} of {model} is registered, but it could not be compared with the champion"
            f"{'' if champion is None else f', version {champion}'}: {str(error).rstrip('.')}. "
            f"`wgan promote {model} {number}` compares them again."
        ) from None
    return compared


def judge_version(
    config: RetrainConfig, version: ModelVersionRef, settings: Settings, storage: Storage
) -> ModelVersionRef:
    """Measure a registered version against today's champion; returns the version with the new evaluation.

    Both are measured on the model's newest data (`newest_data`), which an old version was not trained on.
    """
    with scratch_folder("evaluation") as name:
        folder = Path(name)
        onnx = fetch_version(version.model_name, version.version, settings, folder / "challenger")
        dataset, request = newest_data(version, settings)
        images = open_or_repair(dataset, request, settings, storage)
        challenger = open_generator(onnx).generate
        training = version.evaluation.training
        evaluation = _measured(challenger, config, training, images, settings, storage, folder)
        champion = champion_version(config.model_name, settings)
        evaluation = _beside_champion(champion, config, evaluation, images, settings, storage, folder)
    return version.model_copy(update={"evaluation": evaluation})


def _measured(
    challenger: GenerateImages,
    config: RetrainConfig,
    training: TrainingRef,
    images: PreparedImages,
    settings: Settings,
    storage: Storage,
    folder: Path,
) -> EvaluationRef:
    """The challenger's numbers and bounds; logs its means and its sample grid to MLflow."""
    measured = measure_generators(challenger, None, images, training.networks, config.evaluation, settings, storage)
    run_id = training.mlflow_run_id
    grid = _log_grid(challenger, CHALLENGER_GRID, measured.challenger, run_id, settings, folder)
    means = {f"evaluation_{name}": interval.mean for name, interval in measured.challenger.metrics.items()}
    log_values(settings, run_id, means)
    return EvaluationRef(
        training=training, challenger=measured.challenger, bounds=measured.bounds, grids={"challenger": grid}
    )


def _beside_champion(
    champion: int | None,
    config: RetrainConfig,
    evaluation: EvaluationRef,
    images: PreparedImages,
    settings: Settings,
    storage: Storage,
    folder: Path,
) -> EvaluationRef:
    """The evaluation with the champion's side, if there is a champion; logs the table of both to MLflow."""
    if champion is not None:
        model, run_id = config.model_name, evaluation.training.mlflow_run_id
        generate = open_generator(fetch_version(model, champion, settings, folder / "champion")).generate
        measured = measure_champion(generate, images, config.evaluation, settings, storage)
        grid = _log_grid(generate, champion_grid(champion), measured, run_id, settings, folder)
        evaluation = evaluation.model_copy(
            update={
                "champion": measured,
                "champion_version": champion,
                "champion_judged_on": judged_on(model, champion, settings),
                "grids": {**evaluation.grids, "champion": grid},
            }
        )
    _log_table(evaluation, settings)  # last, because a retried task would append its rows again
    return evaluation


def _log_grid(
    generate: GenerateImages, name: str, measured: Measurement, run_id: str, settings: Settings, folder: Path
) -> str:
    """Draw 64 images from the protocol's first seed and log them; returns the path among the run's artifacts."""
    images = generate(measured.protocol.seeds[0], GRID_IMAGES)
    picture = folder / f"{name}.png"
    image_grid(images, scale=max(1, GRID_WIDTH // images.shape[-1])).save(picture)
    log_file(settings, run_id, picture, EVALUATION_FOLDER)
    return grid_artifact(name)


def _log_table(evaluation: EvaluationRef, settings: Settings) -> None:
    """Log every side with its interval as a table of the challenger's run."""
    rows = metric_rows(evaluation.challenger, evaluation.champion, bounds=evaluation.bounds)
    columns = number_columns(rows)
    lines = len(columns["metric"])
    against = str(evaluation.champion_version or "none")
    columns["champion_version"] = [against] * lines
    columns["data_digest"] = [evaluation.challenger.protocol.data_digest] * lines
    log_table(
        settings, evaluation.training.mlflow_run_id, columns, f"{EVALUATION_FOLDER}/metrics-against-{against}.json"
    )


def decide_version(rules: PromotionConfig, version: ModelVersionRef, settings: Settings) -> GateDecision:
    """Apply the gate: the metrics' rules, and whether the export matches the training and runs in serving's engine."""
    evaluation = version.evaluation
    classes = len(evaluation.training.dataset.classes)
    decision = decide(evaluation.challenger, evaluation.champion, rules, evaluation.bounds, classes)
    further = (_export_rule(version), _engine_rule(version, settings))
    return decision.model_copy(
        update={
            "promote": decision.promote and all(rule.passed for rule in further),
            "rules": (*decision.rules, *further),
            "remarks": evaluation.training.remarks,
            "champion_version": evaluation.champion_version,
            "champion_judged_on": evaluation.champion_judged_on,
        }
    )


def _export_rule(version: ModelVersionRef) -> GateRule:
    check = version.export_check
    passed = check.max_abs_difference <= check.tolerance
    return GateRule(
        name="export equals training",
        passed=passed,
        reason=f"The exported model {'equals' if passed else 'differs from'} the trained one: largest pixel "
        f"difference {check.max_abs_difference:.2e} on {check.samples} samples, at most {check.tolerance:.0e} "
        "is allowed.",
    )


def _engine_rule(version: ModelVersionRef, settings: Settings) -> GateRule:
    training = version.evaluation.training
    size, channels = training.dataset.image_size, training.dataset.channels
    expected = (ENGINE_SAMPLES, channels, size, size)
    with scratch_folder("engine") as name:
        engine = open_generator(fetch_version(version.model_name, version.version, settings, Path(name) / "model"))
        images = engine.decode(draw_latents(ENGINE_SEED, ENGINE_SAMPLES, training.networks.latent_dim))
    finite = bool(np.isfinite(images).all())
    varied = bool(images.std(axis=0).max() > 0)
    passed = images.shape == expected and finite and varied
    return GateRule(
        name="runs in the serving engine",
        passed=passed,
        reason=f"ONNX Runtime gave {'finite' if finite else 'non-finite'}, "
        f"{'varied' if varied else 'identical'} images of shape {images.shape}, expected {expected}.",
    )
