"""Example records and a generator for the registry's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wgan.config import NetworksConfig, RetrainConfig, config_digest
from wgan.records import (
    DatasetRef,
    EvaluationProtocol,
    EvaluationRef,
    GateDecision,
    GateRule,
    Interval,
    Measurement,
    TrainingRef,
)

if TYPE_CHECKING:
    from wgan.training.networks import Generator

LATENT_DIM = 8


def example_config(name: str = "examples") -> RetrainConfig:
    return RetrainConfig.model_validate(
        {
            "data": {"source": "folder", "location": "/images", "name": name, "image_size": 32, "channels": 1},
            "networks": {"width": 4, "latent_dim": LATENT_DIM},
        }
    )


def example_evaluation(
    config: RetrainConfig, mlflow_run_id: str = "0" * 32, checkpoint_sha256: str = "c" * 64
) -> EvaluationRef:
    protocol = EvaluationProtocol(
        extractor="classifier",
        extractor_digest="e" * 64,
        data_digest="d" * 64,
        sample_count=1024,
        seeds=(1000, 1001),
        neighbours=5,
        confidence=0.95,
    )
    dataset = DatasetRef(
        name=config.data.dataset_name,
        source=config.data.source,
        digest="d" * 64,
        uri=f"s3://wgan/datasets/{config.data.dataset_name}/{'d' * 64}/manifest.json",
        manifest_sha256="a" * 64,
        count=1797,
        bad_count=3,
        image_size=32,
        channels=1,
        classes=("zero", "one"),
    )
    training = TrainingRef(
        dataset=dataset,
        flow_run_id="6a1f0c9e-flow",
        mlflow_run_id=mlflow_run_id,
        config_digest=config_digest(config),
        code_version="0.1.0+0123abc",
        networks=NetworksConfig(width=4, latent_dim=LATENT_DIM),
        checkpoint_uri="s3://wgan/checkpoints/6a1f0c9e-flow/step-00000850.pt",
        checkpoint_sha256=checkpoint_sha256,
        generator_steps=850,
        wasserstein_estimate=0.125,
        images_per_second=1234.0,
        seconds=100.0,
        device="cpu",
        precision="float32",
        sample_grid="samples/final.png",
    )
    return EvaluationRef(
        training=training,
        challenger=Measurement(
            protocol=protocol,
            metrics={
                "fid": Interval(mean=46.25, low=44.0, high=48.5, values=(45.0, 47.5)),
                "recall": Interval(mean=0.5, low=0.25, high=0.75, values=(0.4, 0.6)),
            },
        ),
    )


def example_generator(seed: int = 0, image_size: int = 32, channels: int = 1) -> Generator:
    """A generator with statistics as after training: weights, norm scales and running averages all drawn."""
    import torch  # the records alone need none

    from wgan.training.networks import Generator

    stream = torch.Generator().manual_seed(seed)
    generator = Generator(channels, image_size, 4, LATENT_DIM)
    with torch.no_grad():
        for name, tensor in generator.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=stream) + 0.5)
            elif tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=stream) * 0.3)
    return generator


def example_decision(promote: bool) -> GateDecision:
    word = "is" if promote else "is not"
    rule = GateRule(name="fid", passed=promote, reason=f"The Fréchet distance {word} better: 46.2 against 50.0.")
    return GateDecision(promote=promote, first_model=False, rules=(rule,))
