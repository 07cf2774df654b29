"""The bounds of a generator's metrics: held-out real images in its place, and an untrained generator.

*Real images* are held-out images in the generator's place: no generator can be expected to do better. *Untrained* is
the same architecture with its initial weights. Both are measured once, under the generator's own protocol, and cached
in S3.
"""

from __future__ import annotations

import hashlib
import logging

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from wgan.config import EvaluationConfig, NetworksConfig, config_digest
from wgan.errors import ObjectMissing
from wgan.evaluation.reference import RealImages, draw_subset
from wgan.evaluation.reference_cache import cache_key, read_own, write_own
from wgan.evaluation.side_by_side import GenerateImages, ProgressListener, measure_side_by_side, open_protocol
from wgan.records import Bounds, EvaluationProtocol, Record
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.signing import NotSigned

log = logging.getLogger(__name__)


class _StoredBounds(Record):
    """The record as stored in S3."""

    bounds: Bounds
    sha256: str = Field(description="Of the bounds as canonical JSON.")


def measure_bounds(
    images: RealImages,
    networks: NetworksConfig,
    untrained: GenerateImages,
    config: EvaluationConfig,
    settings: Settings,
    storage: Storage,
    device: str,
    progress: ProgressListener | None = None,
) -> Bounds:
    """Measurements of real images and an untrained generator under the protocol of `config`, cached in S3.

    `untrained` draws images from an untrained generator of the architecture `networks`, initialised from `config.seed`.
    It is called only when nothing is stored. `real_images` is None, with the reason, where fewer images are held out
    than a sample has. Raises what `measure_side_by_side` raises.
    """
    _, protocol = open_protocol(images, config, settings, storage, device, progress)
    key = cache_key("bounds", protocol, settings, f"-{config_digest(networks)[:16]}.json")
    if found := _load(key, settings, storage):
        return found
    obstacle = _no_real_images_reason(images, protocol)
    untrained_measured, real_images = measure_side_by_side(
        untrained,
        None if obstacle else _held_out(images),
        images,
        config,
        settings,
        storage,
        device,
        progress,
    )
    bounds = Bounds(real_images=real_images, untrained=untrained_measured, no_real_images_reason=obstacle)
    stored = _StoredBounds(bounds=bounds, sha256=_digest(bounds))
    write_own(key, stored.model_dump_json(indent=1).encode(), settings, storage)
    return bounds


def _no_real_images_reason(images: RealImages, protocol: EvaluationProtocol) -> str | None:
    held_out = images.held_out.count if images.held_out else 0
    if held_out >= protocol.sample_count:
        return None
    remedy = (
        f"with evaluation.sample_count={held_out} real images can be measured"
        if held_out >= 16
        else "data.held_out_fraction keeps images out of training"
    )
    return f"{held_out:,} images are held out, the protocol asks for {protocol.sample_count:,}: {remedy}."


def _held_out(images: RealImages) -> GenerateImages:
    held_out = images.held_out
    assert held_out is not None

    def generate(seed: int, count: int) -> NDArray[np.uint8]:
        return held_out.gather(draw_subset(held_out.count, count, seed))

    return generate


def _load(key: str, settings: Settings, storage: Storage) -> Bounds | None:
    """The stored bounds; None when there are none, or, with a warning, when they are damaged."""
    try:
        stored = _StoredBounds.model_validate_json(read_own(key, settings, storage))
    except ObjectMissing:
        return None
    except NotSigned as error:
        log.warning("%s is ignored (%s): real images and untrained are measured again.", storage.uri(key), error)
        return None
    except ValidationError:
        log.warning("%s is damaged: real images and untrained are measured again.", storage.uri(key))
        return None
    if stored.sha256 != _digest(stored.bounds):
        log.warning("%s is damaged (its digest does not match): real images and untrained are measured again.", key)
        return None
    return stored.bounds


def _digest(bounds: Bounds) -> str:
    return hashlib.sha256(bounds.model_dump_json().encode()).hexdigest()
