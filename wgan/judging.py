"""Challenger against champion: fetch both, measure them side by side, and ask the gate."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan import progress
from wgan.config import PromotionConfig, RetrainConfig
from wgan.data.prepare import open_or_repair
from wgan.evaluation.gate import decide
from wgan.evaluation.measure import GenerateImages, measure_side_by_side
from wgan.latents import draw_latents
from wgan.records import (
    DatasetRef,
    EvaluationRef,
    GateDecision,
    GateRule,
    Measurement,
    ModelVersionRef,
    TrainingRef,
)
from wgan.registry.inference import open_generator
from wgan.registry.versions import champion_version, fetch_version
from wgan.settings import Settings
from wgan.storage import Storage, split_uri
from wgan.tracking.runs import log_values
from wgan.training.checkpoint import load_generator
from wgan.training.device import resolve_device
from wgan.training.sampling import generate_images

ENGINE_SEED = 2**31
ENGINE_SAMPLES = 4


def evaluate_training(
    config: RetrainConfig, training: TrainingRef, settings: Settings, storage: Storage
) -> EvaluationRef:
    """Measure a trained generator from its checkpoint, and the registered champion, on the same images and seeds.

    The numbers go to the training's MLflow run.
    """
    with tempfile.TemporaryDirectory(prefix="wgan-evaluation-") as name:
        folder = Path(name)
        bucket, key = split_uri(training.checkpoint_uri)
        storage.at(bucket).get_file(key, folder / "checkpoint.pt", training.checkpoint_sha256)
        device = resolve_device(settings.device)
        generator = load_generator(folder / "checkpoint.pt").to(device)

        def challenger(seed: int, count: int) -> NDArray[np.uint8]:
            return generate_images(generator, seed, count, device)

        champion = champion_version(config.model_name, settings)
        measured, opponent = _side_by_side(challenger, config, training.dataset, champion, settings, storage, folder)
    log_values(
        settings,
        training.mlflow_run_id,
        {f"evaluation_{name}": interval.mean for name, interval in measured.metrics.items()},
    )
    return EvaluationRef(training=training, challenger=measured, champion=opponent, champion_version=champion)


def evaluate_version(
    config: RetrainConfig, version: ModelVersionRef, settings: Settings, storage: Storage
) -> ModelVersionRef:
    """Measure a registered version against today's champion; returns the version with the new evaluation in it."""
    with tempfile.TemporaryDirectory(prefix="wgan-evaluation-") as name:
        folder = Path(name)
        onnx = fetch_version(version.model_name, version.version, settings, folder / "challenger")
        champion = champion_version(version.model_name, settings)
        measured, opponent = _side_by_side(
            open_generator(onnx).generate,
            config,
            version.evaluation.training.dataset,
            champion,
            settings,
            storage,
            folder,
        )
    evaluation = EvaluationRef(
        training=version.evaluation.training,
        challenger=measured,
        champion=opponent,
        champion_version=champion,
    )
    return version.model_copy(update={"evaluation": evaluation})


def _side_by_side(
    challenger: GenerateImages,
    config: RetrainConfig,
    dataset: DatasetRef,
    champion: int | None,
    settings: Settings,
    storage: Storage,
    folder: Path,
) -> tuple[Measurement, Measurement | None]:
    opponent: GenerateImages | None = None
    if champion is not None:
        onnx = fetch_version(config.model_name, champion, settings, folder / "champion")
        opponent = open_generator(onnx).generate
    return measure_side_by_side(
        challenger,
        opponent,
        open_or_repair(dataset, config.data, settings, storage),
        config.evaluation,
        settings,
        storage,
        str(resolve_device(settings.device)),
        progress.report,
    )


def decide_version(rules: PromotionConfig, version: ModelVersionRef, settings: Settings) -> GateDecision:
    """The gate: the metrics' rules, the export equals the trained generator, and it runs in the serving engine."""
    evaluation = version.evaluation
    decision = decide(evaluation.challenger, evaluation.champion, rules)
    further = (_export_rule(version), _engine_rule(version, settings))
    return GateDecision(
        promote=decision.promote and all(rule.passed for rule in further),
        first_model=decision.first_model,
        rules=(*decision.rules, *further),
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
    with tempfile.TemporaryDirectory(prefix="wgan-engine-") as name:
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
