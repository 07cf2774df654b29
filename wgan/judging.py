"""Challenger against champion: fetch both, measure them side by side, and ask the gate."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan import progress
from wgan.config import PromotionConfig, RetrainConfig
from wgan.data.dataset import PreparedImages
from wgan.data.prepare import open_or_repair
from wgan.evaluation.bounds import measure_bounds
from wgan.evaluation.gate import decide
from wgan.evaluation.measure import GenerateImages, measure_side_by_side
from wgan.evidence import log_grids, log_numbers
from wgan.latents import draw_latents
from wgan.records import EvaluationRef, GateDecision, GateRule, ModelVersionRef, TrainingRef
from wgan.registry.inference import open_generator
from wgan.registry.judgement import judged_on
from wgan.registry.newest_data import newest_data
from wgan.registry.versions import champion_version, fetch_version
from wgan.settings import Settings
from wgan.storage import Storage, split_uri
from wgan.training.checkpoint import load_generator
from wgan.training.device import resolve_device
from wgan.training.sampling import generate_images

ENGINE_SEED = 2**31
ENGINE_SAMPLES = 4


def evaluate_training(
    config: RetrainConfig, training: TrainingRef, settings: Settings, storage: Storage
) -> EvaluationRef:
    """Measure a trained generator from its checkpoint, and the registered champion, on the same images and seeds.

    The champion is always measured anew, so it is judged on today's data even where it had been judged on other data.
    Numbers and sample grids of both sides go to the training's MLflow run.
    """
    with tempfile.TemporaryDirectory(prefix="wgan-evaluation-") as name:
        folder = Path(name)
        bucket, key = split_uri(training.checkpoint_uri)
        storage.at(bucket).get_file(key, folder / "checkpoint.pt", training.checkpoint_sha256)
        device = resolve_device(settings.device)
        generator = load_generator(folder / "checkpoint.pt").to(device)

        def challenger(seed: int, count: int) -> NDArray[np.uint8]:
            return generate_images(generator, seed, count, device)

        images = open_or_repair(training.dataset, config.data, settings, storage)
        return _judge(challenger, config, training, images, settings, storage, folder)


def evaluate_version(
    config: RetrainConfig, version: ModelVersionRef, settings: Settings, storage: Storage
) -> ModelVersionRef:
    """Measure a registered version against today's champion; returns the version with the new evaluation in it.

    Both meet the model's newest data (`newest_data`), which an old version was not trained on.
    """
    with tempfile.TemporaryDirectory(prefix="wgan-evaluation-") as name:
        folder = Path(name)
        onnx = fetch_version(version.model_name, version.version, settings, folder / "challenger")
        dataset, request = newest_data(version, settings)
        images = open_or_repair(dataset, request, settings, storage)
        challenger = open_generator(onnx).generate
        training = version.evaluation.training
        evaluation = _judge(challenger, config, training, images, settings, storage, folder)
    return version.model_copy(update={"evaluation": evaluation})


def _judge(
    challenger: GenerateImages,
    config: RetrainConfig,
    training: TrainingRef,
    images: PreparedImages,
    settings: Settings,
    storage: Storage,
    folder: Path,
) -> EvaluationRef:
    sides = {"challenger": challenger}
    judged_before = None
    if (champion := champion_version(config.model_name, settings)) is not None:
        onnx = fetch_version(config.model_name, champion, settings, folder / "champion")
        sides["champion"] = open_generator(onnx).generate
        judged_before = judged_on(config.model_name, champion, settings)
    device = str(resolve_device(settings.device))
    mine, theirs = measure_side_by_side(
        challenger, sides.get("champion"), images, config.evaluation, settings, storage, device, progress.report
    )
    seed = mine.protocol.seeds[0]
    evaluation = EvaluationRef(
        training=training,
        challenger=mine,
        champion=theirs,
        champion_version=champion,
        champion_judged_on=judged_before,
        bounds=measure_bounds(
            images,
            training.networks,
            config.evaluation,
            settings,
            storage,
            device,
            progress.titled("floor and ceiling"),
        ),
        grids=log_grids(sides, champion, seed, training.mlflow_run_id, settings, folder),
    )
    log_numbers(evaluation, settings)  # last, because a retried task would add its lines again
    return evaluation


def decide_version(rules: PromotionConfig, version: ModelVersionRef, settings: Settings) -> GateDecision:
    """The gate: the metrics' rules, the export equals the trained generator, and it runs in the serving engine."""
    evaluation = version.evaluation
    decision = decide(evaluation.challenger, evaluation.champion, rules)
    further = (_export_rule(version), _engine_rule(version, settings))
    return decision.model_copy(
        update={
            "promote": decision.promote and all(rule.passed for rule in further),
            "rules": (*decision.rules, *further),
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
