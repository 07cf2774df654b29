"""Fetches the networks of a registered version, for a training to start from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from wgan.config import RetrainConfig
from wgan.errors import WganError
from wgan.registry.preconditions import version_to_start_from
from wgan.registry.versions import fetch_weights
from wgan.scratch import scratch_folder
from wgan.settings import Settings
from wgan.training.checkpoint_content import are_finite
from wgan.training.state import StartingPoint

logger = logging.getLogger(__name__)


def starting_point(config: RetrainConfig, settings: Settings) -> StartingPoint | None:
    """Both networks of the version that `training.start_from` names; None: freshly drawn ones.

    Raises `UsageError` if there is no such version, it has other shapes or no critic; `WganError` if a file is damaged.
    """
    version = version_to_start_from(config, settings)
    if version is None:
        if config.training.start_from != "none":
            logger.info("%s has no champion yet, so training starts from freshly drawn networks.", config.model_name)
        return None
    origin = f"models:/{config.model_name}/{version}"
    with scratch_folder("start") as name:
        generator, critic = fetch_weights(config.model_name, version, settings, Path(name))
        start = StartingPoint(origin, _weights(generator, origin), _weights(critic, origin))
    logger.info("Training starts from both networks of %s.", origin)
    return start


def _weights(path: Path, origin: str) -> dict[str, Any]:
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise WganError(f"{path.name} of {origin} is damaged: {error}.") from None
    if not are_finite(weights):
        raise WganError(f"{path.name} of {origin} has a weight that is NaN or infinite.")
    return weights
