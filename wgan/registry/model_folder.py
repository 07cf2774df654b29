"""The MLflow model folder of one version: the ONNX flavour, and everything that fine-tuning and serving need."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow.onnx
import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from wgan.config import RetrainConfig
from wgan.config_text import yaml_text
from wgan.errors import WganError
from wgan.file_digest import file_sha256
from wgan.latents import draw_latents
from wgan.model_version.record import ONNX_FILE, RECORD_FILE, RUN_CONFIG_FILE, VersionRecord
from wgan.records import ExportCheck

REQUIREMENTS = ("onnx", "onnxruntime", "numpy")
PROVIDERS = ["CPUExecutionProvider"]
"""Declared execution providers: MLflow's default requests CUDA and warns if there is none."""


@dataclass(frozen=True)
class ExportedGenerator:
    """The files of one exported generator, together in a folder; `wgan.steps.export` writes them."""

    onnx: Path
    """`latents` float32 (batch, z) → `images` float32 (batch, C, H, W) in [-1, 1]; weights inside, batch dynamic."""
    onnx_sha256: str
    safetensors: Path
    """The generator's parameters and buffers."""
    config: Path
    """JSON: name of the network, channels, image_size, width, latent_dim, opset, sample_seed, sample_count."""
    sample: Path
    """`.npy`, float32 (sample_count, C, H, W): ONNX Runtime's images of `draw_latents(sample_seed, …)`."""
    picture: Path
    """The sample as a PNG."""
    check: ExportCheck
    critic: Path | None = None
    """safetensors: the critic's parameters, from which a training can start again; None if there is none."""


def write_model_folder(
    folder: Path, logged_model: Any, record: VersionRecord, exported: ExportedGenerator, config: RetrainConfig
) -> None:
    """Write the folder to upload as `logged_model` (MLflow's entity).

    Signature: `latents` float32 (-1, z) → `images` float32 (-1, C, H, W). It contains no pickle. Raises `WganError` if
    the written graph is not the one that was checked.
    """
    import onnx  # only installed where models are exported

    training = record.evaluation.training
    dataset, latent_dim = training.dataset, training.networks.latent_dim
    images = (-1, dataset.channels, dataset.image_size, dataset.image_size)
    record_file = exported.onnx.parent / RECORD_FILE
    record_file.write_text(record.model_dump_json(indent=2) + "\n")
    run_config = exported.onnx.parent / RUN_CONFIG_FILE
    run_config.write_text(yaml_text(config))
    extra = [record_file, run_config, exported.config, exported.safetensors, exported.sample, exported.picture]
    extra += [exported.critic] if exported.critic else []

    mlflow.onnx.save_model(
        onnx.load(str(exported.onnx)),
        str(folder),
        mlflow_model=Model(
            artifact_path=logged_model.artifact_location,
            run_id=training.mlflow_run_id,
            model_uuid=logged_model.model_id,
            model_id=logged_model.model_id,
        ),
        signature=ModelSignature(
            Schema([TensorSpec(np.dtype("float32"), (-1, latent_dim), "latents")]),
            Schema([TensorSpec(np.dtype("float32"), images, "images")]),
        ),
        input_example={"latents": draw_latents(0, 2, latent_dim)},
        pip_requirements=[f"{name}=={metadata.version(name)}" for name in REQUIREMENTS],
        onnx_execution_providers=PROVIDERS,
        save_as_external_data=False,
        extra_files=[str(file) for file in extra],
        metadata={"onnx_sha256": record.onnx_sha256, "data_digest": dataset.digest},
    )
    if file_sha256(folder / ONNX_FILE) != record.onnx_sha256:
        raise WganError(f"the ONNX graph in {folder} is not the one that was checked against the trained generator.")
