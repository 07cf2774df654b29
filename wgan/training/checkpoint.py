"""A checkpoint: one file with everything the next step depends on, written atomically."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wgan.config import RetrainConfig, config_digest, flat_parameters
from wgan.config_reading import parse_config, shown
from wgan.errors import CheckpointError, UsageError
from wgan.plugins import require_plugins
from wgan.training.build import new_generator
from wgan.training.checkpoint_content import (
    are_finite,
    drawn_generator,
    is_of,
    require_fields,
    require_plain_container,
    require_state_of,
)
from wgan.training.history import History, diverged
from wgan.training.networks import ImageGenerator
from wgan.training.state import TrainingState, load_optimizer

FORMAT = 1
FULL_BYTES = 2**16
"""With less free space than this, a failed write is blamed on the full disk."""
NOT_SHAPING = (
    "evaluation.",
    "promotion.",
    "training.log_",
    "training.sample_",
    "training.checkpoint_",
    "training.keep_",
    "training.evaluat",
    "training.patience",
)
"""Settings, by prefix, that do not affect the numbers, so a resumed run may change them …"""
RUN_LENGTH = "training.generator_steps"
"""… and so may this one, if the learning rate is constant: a run of n steps is then a prefix of every longer one."""


def checkpoint_path(folder: Path, generator_steps: int) -> Path:
    """The path of a step's checkpoint: `step-00001500.pt`."""
    return folder / f"step-{generator_steps:08d}.pt"


def save_checkpoint(folder: Path, state: TrainingState, config: RetrainConfig, data_digest: str) -> Path:
    """Write the state to a temporary file, sync it, and rename it into place; returns the path.

    Raises `TrainingDiverged` rather than write a NaN or an infinity, `CheckpointError` if writing fails.
    """
    state.history.to_host()
    _require_finite(state)
    path = checkpoint_path(folder, state.generator_steps)
    aside = path.with_suffix(".partial")
    content = {
        "format": FORMAT,
        "config": config.model_dump(mode="json"),
        "config_digest": config_digest(config),
        "plugins": [f"{code.path} {code.sha256}" for code in require_plugins(config, "networks", "training")],
        "data_digest": data_digest,
        "generator_steps": state.generator_steps,
        "critic_steps": state.critic_steps,
        "seconds": state.seconds,
        "precision": state.precision,
        "started_from": state.started_from,
        "generator": state.generator.state_dict(),
        "critic": state.critic.state_dict(),
        "generator_optimizer": state.generator_optimizer.state_dict(),
        "critic_optimizer": state.critic_optimizer.state_dict(),
        **({} if state.average is None else {"average": state.average.state_dict()}),
        "history": {name: torch.from_numpy(column) for name, column in state.history.columns().items()},
    }
    try:
        with aside.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _sync_folder(folder)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        if shutil.disk_usage(folder).free < FULL_BYTES:  # torch does not report it
            reason = f"the disk that holds {folder} is full"
        aside.unlink(missing_ok=True)
        raise CheckpointError(
            f"checkpoint {path.name} could not be written: {reason}; free some space, or set WGAN_CACHE_DIR to a "
            "folder on another disk."
        ) from None
    return path


def load_checkpoint(path: Path, state: TrainingState, config: RetrainConfig, data_digest: str) -> None:
    """Load a checkpoint into a newly built state.

    Raises `CheckpointError` if the file is missing or damaged, or was written by a run with other data or with other
    settings that affect the numbers.
    """
    content = _read(path)
    if content["data_digest"] != data_digest:
        raise CheckpointError(
            f"checkpoint {path} was trained on data {content['data_digest'][:12]}, this run has {data_digest[:12]}; "
            "resume with the same data or start a new run."
        )
    _require_same_settings(path, content, config)
    _require_same_code(path, content, config, "networks", "training")
    _require_finite_weights(path, content, "generator", "critic", drawn_generator(content))
    try:
        state.generator.load_state_dict(content["generator"])
        if state.average is not None:
            state.average.load_state_dict(content["average"])
        state.critic.load_state_dict(content["critic"])
        for name, optimizer in (("generator", state.generator_optimizer), ("critic", state.critic_optimizer)):
            load_optimizer(optimizer, content[f"{name}_optimizer"])
            require_state_of(optimizer)
        state.history = History({name: column.numpy() for name, column in content["history"].items()})
    except Exception as error:  # a mismatch can raise anything in torch
        raise _damaged(path, error) from error
    state.generator_steps = content["generator_steps"]
    state.critic_steps = content["critic_steps"]
    state.seconds = content["seconds"]
    state.precision = content.get("precision")  # files of earlier versions have neither
    state.started_from = content.get("started_from")


def load_generator(path: Path) -> ImageGenerator:
    """The trained generator on the CPU, in evaluation mode, from the checkpoint alone; the average, if it has one.

    Raises `CheckpointError` if the file is missing or damaged, `UsageError` if its code is not allowed here.
    """
    content = _read(path)
    config = _config(path, content)
    _require_same_code(path, content, config, "networks")
    weights = drawn_generator(content)
    if not is_of(content[weights], config.networks, config.data.channels, config.data.image_size):
        raise CheckpointError(
            f"checkpoint {path} is damaged: its weights are not those of networks.width={config.networks.width} and "
            f"networks.latent_dim={config.networks.latent_dim}, which it names; use another one."
        )
    _require_finite_weights(path, content, weights)
    generator = new_generator(config.networks, config.data.channels, config.data.image_size, config.training.seed)
    try:
        generator.load_state_dict(content[weights])
    except Exception as error:  # a mismatch can raise anything in torch
        raise _damaged(path, error) from error
    return generator.eval()


def load_critic_weights(path: Path) -> dict[str, Tensor]:
    """The critic's weights, on the CPU. Raises `CheckpointError` if the file is missing or damaged."""
    content = _read(path)
    _require_finite_weights(path, content, "critic")
    weights: dict[str, Tensor] = dict(content["critic"])
    return weights


def load_run(path: Path) -> tuple[RetrainConfig, str]:
    """Configuration and data digest of the run that wrote the checkpoint.

    Raises `CheckpointError` if the file is missing or damaged.
    """
    content = _read(path)
    return _config(path, content), content["data_digest"]


def load_history(path: Path) -> dict[str, NDArray[np.float32]]:
    """The values measured at every generator step up to the checkpoint, by name; entry i is step i + 1."""
    return {name: column.numpy() for name, column in _read(path)["history"].items()}


def prune_checkpoints(folder: Path, keep: int, generator_steps: int) -> None:
    """Delete all but the `keep` newest checkpoints up to this step, and partial files of a killed attempt.

    Checkpoints of later steps belong to another attempt and are kept.
    """
    for partial in folder.glob("step-*.partial"):
        partial.unlink(missing_ok=True)
    newest = checkpoint_path(folder, generator_steps).name
    ours = sorted(path for path in folder.glob("step-*.pt") if path.name <= newest)
    for path in ours[:-keep]:
        path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}; name one that exists or start a new run.")
    try:
        require_plain_container(path)
        content = dict(torch.load(path, map_location="cpu", weights_only=True))
        if content["format"] != FORMAT:
            raise CheckpointError(
                f"checkpoint {path} has format {shown(content['format'])}, this version reads {FORMAT}; start a new "
                "run."
            )
        require_fields(content)
    except CheckpointError:
        raise
    except Exception as error:  # damage can raise anything in torch.load
        raise _damaged(path, error) from error
    return content


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {path} is damaged ({type(error).__name__}); resume from an older one or start a new run."
    )


def _config(path: Path, content: dict[str, Any]) -> RetrainConfig:
    try:
        return parse_config(content["config"])
    except UsageError as error:
        raise CheckpointError(f"checkpoint {path} is of another version of this program: {error}") from None


def _require_same_settings(path: Path, content: dict[str, Any], config: RetrainConfig) -> None:
    if content["config_digest"] == config_digest(config):
        return
    theirs, ours = flat_parameters(_config(path, content)), flat_parameters(config)
    free = (*NOT_SHAPING, RUN_LENGTH) if config.training.lr_schedule == "constant" else NOT_SHAPING
    for name in ours:
        if theirs[name] != ours[name] and not name.startswith(free):
            raise CheckpointError(
                f"checkpoint {path} was trained with {name}={theirs[name] or 'none'}, this run has "
                f"{ours[name] or 'none'}; resume with the same setting or start a new run."
            )
    if content["generator_steps"] > config.training.generator_steps:
        raise CheckpointError(
            f"checkpoint {path} is at generator step {content['generator_steps']}, past this run's "
            f"{RUN_LENGTH}={config.training.generator_steps}; raise it or start a new run."
        )


def _require_same_code(path: Path, content: dict[str, Any], config: RetrainConfig, *sections: str) -> None:
    for code in require_plugins(config, *sections):
        if f"{code.path} {code.sha256}" not in content.get("plugins", ()):
            raise CheckpointError(
                f"checkpoint {path} was trained with other code of {code.path}; restore it or start a new run."
            )


def _require_finite_weights(path: Path, content: dict[str, Any], *networks: str) -> None:
    if not all(are_finite(content[name]) for name in networks):
        raise CheckpointError(
            f"checkpoint {path} holds a weight that is NaN or infinite, so nothing can be drawn or learned from it; "
            "take an older one."
        )


def _require_finite(state: TrainingState) -> None:
    for name, network in (("generator", state.generator), ("critic", state.critic)):
        tensors = [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
        # A sum of squares would overflow before the weights do; the largest absolute value does not.
        if not torch.stack(torch._foreach_norm(tensors, float("inf"))).isfinite().all():
            raise diverged(f"a {name} weight", state.generator_steps)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
