"""Export a trained generator to ONNX and safetensors, and verify that the export generates the same images.

Registration and serving read only these files.
"""

from __future__ import annotations

import copy
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors.torch import load_file, save_file

from wgan.config import DataConfig, NetworksConfig
from wgan.errors import WganError
from wgan.file_digest import file_sha256
from wgan.latents import draw_latents
from wgan.model_version.inference import open_generator
from wgan.model_version.record import CRITIC_FILE, GENERATOR_FILE
from wgan.pixels import image_grid, to_bytes
from wgan.records import ExportCheck
from wgan.registry.model_folder import ExportedGenerator
from wgan.training.build import new_generator
from wgan.training.checkpoint import load_critic_weights, load_generator
from wgan.training.checkpoint_content import is_of
from wgan.training.networks import ImageGenerator

OPSET = 18
"""Fixed, so that every version runs in the same engines; ONNX Runtime supports it since 1.14."""
TOLERANCE = 1e-3
"""Largest pixel difference allowed, range [-1, 1]: an eighth of one of the 256 grey levels."""
SAMPLE_COUNT = 16
"""Number of images in the recorded sample, which serving compares a loaded version with."""
CHECKED_BATCHES = (1, 2, 7)
"""Batch sizes compared besides all samples at once: one, and sizes the graph was not traced with."""


def export_generator(checkpoint: Path, folder: Path, samples: int = 64, seed: int = 0) -> ExportedGenerator:
    """Write a checkpoint's generator as ONNX, safetensors, configuration and sample into `folder`, and its critic.

    ONNX Runtime's images are compared with torch's on `samples` noise vectors of `seed`, in several batch sizes.
    Raises `WganError` if they differ by more than `TOLERANCE`, `CheckpointError` if the checkpoint does not load.
    """
    exported = write_export(load_generator(checkpoint), folder, samples, seed)
    critic = folder / CRITIC_FILE
    save_file({name: tensor.contiguous() for name, tensor in load_critic_weights(checkpoint).items()}, critic)
    return replace(exported, critic=critic)


def write_export(generator: ImageGenerator, folder: Path, samples: int = 64, seed: int = 0) -> ExportedGenerator:
    """The same for a loaded generator; it is exported in eval mode and float32, and not modified."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = copy.deepcopy(generator).to("cpu", torch.float32).eval()
    described = {name: getattr(generator, name) for name in ("name", "channels", "image_size", "width", "latent_dim")}

    onnx_path = folder / "generator.onnx"
    write_onnx(generator, generator.latent_dim, onnx_path)
    weights = folder / GENERATOR_FILE
    save_file({name: tensor.contiguous() for name, tensor in generator.state_dict().items()}, weights)
    check = check_export(generator, generator.latent_dim, onnx_path, samples, seed)

    sample = folder / "sample.npy"
    images = open_generator(onnx_path).decode(draw_latents(seed, SAMPLE_COUNT, generator.latent_dim))
    np.save(sample, images, allow_pickle=False)
    picture = folder / "sample.png"
    image_grid(to_bytes(images), scale=2).save(picture)
    config = folder / "config.json"
    config.write_text(
        json.dumps({**described, "opset": OPSET, "sample_seed": seed, "sample_count": SAMPLE_COUNT}, indent=2) + "\n"
    )
    return ExportedGenerator(onnx_path, file_sha256(onnx_path), weights, config, sample, picture, check)


def write_onnx(generator: torch.nn.Module, latent_dim: int, path: Path) -> None:
    """Trace a generator in eval mode, float32 (N, z) → (N, C, H, W), to one ONNX file with a dynamic batch."""
    with warnings.catch_warnings():
        # torch's exporter warns about its own deprecated internals, which callers cannot change.
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            generator,
            (torch.zeros(3, latent_dim),),
            input_names=["latents"],
            output_names=["images"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model: onnx.ModelProto = program.model_proto
    # The exporter records its call stack with local file names, which a published model must not contain.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, str(path))


def check_export(
    generator: torch.nn.Module, latent_dim: int, path: Path, samples: int = 64, seed: int = 0
) -> ExportCheck:
    """Compare ONNX Runtime with torch on the same noise: all samples at once, then smaller batches, down to one.

    Raises `WganError` if a pixel (range [-1, 1]) differs by more than `TOLERANCE` or is not finite.
    """
    latents = draw_latents(seed, samples, latent_dim)
    with torch.inference_mode():
        expected = generator(torch.from_numpy(latents)).numpy()
    engine = open_generator(path)
    differences = []
    for batch in sorted({samples, *(size for size in CHECKED_BATCHES if size < samples)}):
        found = engine.decode(latents[:batch])
        if found.shape != expected[:batch].shape:
            raise WganError(
                f"the exported generator draws {found.shape} where the trained one draws {expected[:batch].shape}."
            )
        differences.append(np.abs(found - expected[:batch]).max())
    difference = float(np.max(differences))
    if not difference <= TOLERANCE:  # also true of NaN
        raise WganError(
            f"the exported generator is not the trained one: a pixel differs by {difference:.3g} on the same noise, "
            f"allowed is {TOLERANCE:g} (range [-1, 1])."
        )
    return ExportCheck(samples=samples, max_abs_difference=difference, tolerance=TOLERANCE, opset=OPSET)


def load_exported_generator(folder: Path) -> ImageGenerator:
    """The generator of an export (or of a downloaded version) as a torch module in eval mode, for fine-tuning.

    Raises `WganError` naming the missing or mismatched file.
    """
    config, weights = folder / "config.json", folder / "generator.safetensors"
    for file in (config, weights):
        if not file.is_file():
            raise WganError(f"{folder} is not an exported generator: {file.name} is missing.")
    try:
        networks, data = _described(json.loads(config.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WganError(f"{config} does not describe a generator ({type(error).__name__}).") from None
    shape = (networks, data.channels, data.image_size)
    try:
        saved = load_file(weights)
        if not is_of(saved, *shape):  # before allocating anything of the size in the file
            raise ValueError(f"its weights are not those of width {networks.width} and z {networks.latent_dim}")
        generator = new_generator(*shape, seed=0)
        generator.load_state_dict(saved)
    except WganError:  # code not allowed on this machine
        raise
    except Exception as error:  # damage can raise anything in safetensors and torch
        reason = " ".join(str(error).split())[:200]
        raise WganError(f"{weights} does not hold the generator that {config.name} describes: {reason}.") from None
    return generator.eval()


def _described(values: dict[str, Any]) -> tuple[NetworksConfig, DataConfig]:
    networks = {"generator": values.get("name", "dcgan"), "width": values["width"], "latent_dim": values["latent_dim"]}
    shape = {"channels": values["channels"], "image_size": values["image_size"]}
    return NetworksConfig.model_validate(networks), DataConfig.model_validate(shape)
