"""Measure two registered versions side by side, and collect the data for the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan import progress
from wgan.comparison.record import Comparison, NearestImages, Side
from wgan.config import EvaluationConfig
from wgan.data.dataset import PreparedImages
from wgan.data.prepare import open_or_repair
from wgan.errors import UsageError
from wgan.evaluation.extractors.features import Extractor, extract
from wgan.evaluation.side_by_side import nearest_training_images, open_protocol
from wgan.model_version.inference import OnnxGenerator, open_generator
from wgan.records import EvaluationRef, ModelVersionRef
from wgan.registry.aliases import model_aliases
from wgan.registry.judgement import judged_on
from wgan.registry.newest_data import newest_data
from wgan.registry.versions import fetch_version, load_configuration, load_version
from wgan.scratch import scratch_folder
from wgan.settings import Settings
from wgan.steps.evaluate import decide_version
from wgan.steps.measure import ProtocolName, named_protocol
from wgan.steps.side_by_side import measure_generators
from wgan.storage import Storage
from wgan.tracking.runs import metric_history
from wgan.training.device import resolve_device

SAMPLES = 64
LOOKED_UP = 6
"""Number of samples shown with their nearest training images."""
NEAREST = 3
MOST_CLASSIFIED = 2_048
"""Number of generated images per side counted by class."""


def compare_versions(
    model: str, first: int, second: int, protocol_name: ProtocolName, settings: Settings, storage: Storage
) -> Comparison:
    """Measure both on the model's newest data, `second` as the challenger of `first`, and apply the gate.

    The protocol is derived from the second version's run (`named_protocol`). Raises `UsageError` if both are the same
    version, one does not exist or their images have different shapes; `WganError`.
    """
    if first == second:
        raise UsageError(f"version {first} of {model} cannot be compared with itself: name two versions.")
    versions = [load_version(model, number, settings) for number in (first, second)]
    _require_one_shape(*versions)
    data, request = newest_data(versions[1], settings)
    configs = [load_configuration(model, number, settings) for number in (first, second)]
    protocol = named_protocol(configs[1], protocol_name)
    aliases = model_aliases(model, settings)
    images = open_or_repair(data, request, settings, storage)
    with scratch_folder("comparison") as name:
        folder = Path(name)
        generators = [
            open_generator(fetch_version(model, number, settings, folder / str(number))) for number in (first, second)
        ]
        training = versions[1].evaluation.training
        measured = measure_generators(
            generators[1].generate, generators[0].generate, images, training.networks, protocol, settings, storage
        )
        evaluation = EvaluationRef(
            training=training,
            challenger=measured.challenger,
            champion=measured.champion,
            champion_version=first,
            champion_judged_on=judged_on(model, first, settings),
            bounds=measured.bounds,
        )
        extractor, _ = open_protocol(images, protocol, settings, storage, str(resolve_device(settings.device)))
        used = measured.challenger.protocol
        seed, classified = used.seeds[0], min(used.sample_count, MOST_CLASSIFIED)
        sides = []
        for version, config, generator in zip(versions, configs, generators, strict=True):
            sides.append(
                Side(
                    version=version,
                    aliases=tuple(sorted(alias for alias, number in aliases.items() if number == version.version)),
                    config=config,
                    samples=generator.generate(seed, SAMPLES),
                    nearest=_nearest(generator.generate(seed, LOOKED_UP), images, protocol, settings, storage),
                    class_counts=_class_counts(generator, seed, classified, extractor, protocol.batch_size),
                    curves=metric_history(settings, version.evaluation.training.mlflow_run_id),
                )
            )
    decision = decide_version(configs[1].promotion, versions[1].model_copy(update={"evaluation": evaluation}), settings)
    shares = extractor.class_shares
    return Comparison(
        model_name=model,
        first=sides[0],
        second=sides[1],
        evaluation=evaluation,
        decision=decision,
        data=data,
        seed=seed,
        class_names=_class_names(images, shares),
        data_shares=shares,
    )


def _require_one_shape(first: ModelVersionRef, second: ModelVersionRef) -> None:
    shapes = [
        (dataset.channels, dataset.image_size)
        for dataset in (version.evaluation.training.dataset for version in (first, second))
    ]
    if shapes[0] != shapes[1]:
        described = [f"{size}×{size} pixels in {channels} channel(s)" for channels, size in shapes]
        raise UsageError(
            f"{first.model_name} makes images of {described[0]} in version {first.version} and of {described[1]} in "
            f"version {second.version}: only versions of one shape can be compared."
        )


def _nearest(
    generated: NDArray[np.uint8],
    images: PreparedImages,
    protocol: EvaluationConfig,
    settings: Settings,
    storage: Storage,
) -> NearestImages | None:
    if protocol.memorisation_images < NEAREST:
        return None
    device = str(resolve_device(settings.device))
    report = progress.titled("nearest training images")
    found = nearest_training_images(generated, images, NEAREST, protocol, settings, storage, device, report)
    pictures = images.gather(found.indices.ravel()).reshape(*found.indices.shape, *generated.shape[1:])
    return NearestImages(generated, pictures, found.distances)


def _class_counts(
    generator: OnnxGenerator, seed: int, count: int, extractor: Extractor, batch_size: int
) -> NDArray[np.int64] | None:
    generated = generator.generate(seed, count)
    batches = [generated[start : start + batch_size] for start in range(0, count, batch_size)]
    classes = extract(extractor, batches).classes
    shares = extractor.class_shares
    return None if classes is None or shares is None else np.bincount(classes, minlength=len(shares))


def _class_names(images: PreparedImages, shares: NDArray[np.float64] | None) -> tuple[str, ...]:
    if shares is None:
        return ()
    occurring = np.arange(len(shares)) if images.labels is None else np.unique(images.labels)
    named = images.ref.classes
    if len(occurring) != len(shares):  # stacked-mnist: modes, not labels of the data
        return tuple(f"{mode:03d}" for mode in range(len(shares)))
    return tuple(named[label] if label < len(named) else str(label) for label in occurring)
