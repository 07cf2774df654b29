"""An example comparison of real digits and given numbers, without a server or a generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tests.unit.evaluation.example_images import digits
from tests.unit.evaluation.example_measurements import PROTOCOL, measured
from tests.unit.registry.examples import example_config, example_evaluation
from wgan.comparison.record import Comparison, NearestImages, Side
from wgan.config import NetworksConfig, RetrainConfig
from wgan.config_promotion import PromotionConfig
from wgan.evaluation.gate import decide
from wgan.intervals import t_interval
from wgan.records import Bounds, EvaluationRef, ExportCheck, Measurement, ModelVersionRef

CHAMPION = measured(
    fid=[15.2, 15.9, 14.8, 15.4, 15.1],
    precision=[0.81, 0.8, 0.82, 0.8, 0.81],
    recall=[0.74, 0.76, 0.75, 0.73, 0.75],
    density=[0.72, 0.7, 0.71, 0.73, 0.7],
    coverage=[0.62, 0.6, 0.61, 0.63, 0.61],
    reverse_kl=[0.08, 0.09, 0.07, 0.08, 0.08],
)
CHALLENGER = measured(
    fid=[11.4, 11.9, 11.2, 11.8, 11.3],
    precision=[0.85, 0.84, 0.86, 0.85, 0.84],
    recall=[0.64, 0.63, 0.66, 0.65, 0.64],
    density=[0.8, 0.81, 0.79, 0.8, 0.82],
    coverage=[0.66, 0.65, 0.67, 0.66, 0.65],
    reverse_kl=[0.13, 0.12, 0.14, 0.13, 0.12],
)
UNTRAINED = measured(
    fid=[71.0, 72.0, 73.0, 72.0, 71.5],
    precision=[0.02] * 5,
    recall=[0.0] * 5,
    density=[0.01] * 5,
    coverage=[0.01] * 5,
    modes=[1.0] * 5,
    reverse_kl=[2.2] * 5,
)
CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def example_comparison(**changes: object) -> Comparison:
    """Version 3, the champion, and version 4: a better distance, fallen recall, therefore refused."""
    evaluation = EvaluationRef(
        training=example_evaluation(example_config("digits")).training,
        challenger=CHALLENGER,
        champion=CHAMPION,
        champion_version=3,
        champion_judged_on="ef" * 32,
        bounds=Bounds(real_images=measured(fid=[0.9, 1.0, 0.95, 1.1, 1.0]), untrained=UNTRAINED),
    )
    config = example_config("digits")
    changed = RetrainConfig.model_validate(
        config.model_dump() | {"networks": {"width": 8, "latent_dim": 8}, "training": {"lr": 1e-4}}
    )
    comparison = Comparison(
        model_name="generator-digits",
        first=example_side(3, ("champion",), config, seed=1),
        second=example_side(4, ("challenger",), changed, seed=2),
        evaluation=evaluation,
        decision=decide(CHALLENGER, CHAMPION, PromotionConfig()),
        data=evaluation.training.dataset,
        seed=1000,
        class_names=CLASSES,
        data_shares=np.full(10, 0.1),
    )
    return Comparison(**{**vars(comparison), **changes})


def crowded_comparison(metrics: int) -> Comparison:
    """All metrics and a custom one; long names; tiny, huge and widely spread values; a long training."""
    names = ("fid", "recall", "coverage", "precision", "density", "kernel_distance", "reverse_kl", "sliced_wasserstein")
    own = "share_of_pixels_that_are_neither_black_nor_white_in_generated_images"
    draw = np.random.default_rng(0)
    scales = dict(zip((*names[: metrics - 1], own), (1e2, 0.8, 0.7, 1e-3, 1e-6, 1e4, 1e-7, 1e6, 3e-5), strict=False))

    def side(factor: float) -> Measurement:
        values = {name: list(factor * scale * (1 + 1e-3 * draw.normal(size=5))) for name, scale in scales.items()}
        return Measurement(protocol=PROTOCOL, metrics={name: t_interval(seeds, 0.95) for name, seeds in values.items()})

    challenger, champion = side(0.9), side(1.0)
    whole = example_comparison()
    long_names = tuple(f"a class with quite a long name, number {index}" for index in range(10))
    steps = {200 * step: dict(values) for step, values in example_curves(3).items()}
    return replace(
        whole,
        first=replace(whole.first, curves=steps),
        second=replace(whole.second, curves=steps),
        class_names=long_names,
        evaluation=whole.evaluation.model_copy(
            update={
                "challenger": challenger,
                "champion": champion,
                "bounds": Bounds(real_images=side(1e-4), untrained=side(30.0)),
            }
        ),
        decision=decide(challenger, champion, PromotionConfig()),
    )


def example_side(version: int, aliases: tuple[str, ...], config: RetrainConfig, seed: int) -> Side:
    draw = np.random.default_rng(seed)
    images = digits()
    chosen = images.gather(draw.choice(images.count, 64))
    nearest = images.gather(draw.choice(images.count, 18)).reshape(6, 3, 1, 32, 32)
    distances = np.sort(draw.uniform(1, 9, (6, 3)), axis=1)
    evaluation = example_evaluation(config)
    training = evaluation.training.model_copy(update={"networks": NetworksConfig(width=4 * seed, latent_dim=8)})
    return Side(
        version=ModelVersionRef(
            evaluation=evaluation.model_copy(update={"training": training}),
            model_name="generator-digits",
            version=version,
            uri=f"models:/generator-digits/{version}",
            onnx_sha256=f"{version}" * 64,
            export_check=ExportCheck(samples=16, max_abs_difference=1e-6, tolerance=1e-3, opset=18),
        ),
        aliases=aliases,
        config=config,
        samples=chosen,
        nearest=NearestImages(chosen[:6], nearest, distances),
        class_counts=np.bincount(draw.choice(10, 1024, p=np.arange(1, 11) / 55), minlength=10),
        curves=example_curves(seed),
    )


def example_curves(seed: int) -> Mapping[int, Mapping[str, float]]:
    draw = np.random.default_rng(seed)
    return {
        step: {
            "wasserstein_median": 0.9 * np.exp(-step / 300 / seed) + 0.02 * draw.normal(),
            "critic_loss": -0.9 * np.exp(-step / 300 / seed) + 0.05 * draw.normal(),
            "generator_loss": 0.3 + 0.05 * draw.normal(),
            "clip_share": 0.6 + 0.01 * draw.normal(),
        }
        for step in range(10, 400 * seed, 10)
    }
