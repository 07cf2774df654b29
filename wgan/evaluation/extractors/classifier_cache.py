"""Trained classifiers in S3, one per data set and definition: all runs on a data set are judged by the same one."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping

from safetensors.torch import load, save
from torch import Tensor

from wgan.errors import ObjectMissing
from wgan.evaluation.extractors.classifier import (
    Classifier,
    ClassifierDefinition,
    TrainedClassifier,
    define_classifier,
    train_classifier,
)
from wgan.evaluation.reference import RealImages
from wgan.evaluation.reference_cache import read_own, write_own
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.signing import NotSigned

log = logging.getLogger(__name__)

METADATA_KEY = "classifier"


class DamagedClassifier(Exception):
    """The stored bytes are not a classifier of this definition as it was written."""


def cached_classifier(
    images: RealImages,
    settings: Settings,
    storage: Storage,
    device: str,
    advance: Callable[[int, int], None] = lambda step, steps: None,
) -> TrainedClassifier:
    """The data set's classifier, loaded from S3 or trained and stored; a damaged copy is replaced, with a warning."""
    definition = define_classifier(images)
    key = f"{settings.evaluation_prefix}/classifiers/{images.ref.digest}/{definition.digest}.safetensors"
    try:
        return unpack_classifier(read_own(key, settings, storage), definition, device)
    except ObjectMissing:
        pass
    except NotSigned as error:
        log.warning("%s is ignored (%s): training the classifier again.", storage.uri(key), error)
    except DamagedClassifier as error:
        log.warning("%s is damaged (%s): training the classifier again.", storage.uri(key), error)
    packed = pack_classifier(train_classifier(images, definition, device, advance))
    write_own(key, packed, settings, storage)
    # The stored copy is the one used, so that the first evaluation equals all later ones.
    return unpack_classifier(packed, definition, device)


def weights_digest(weights: Mapping[str, Tensor], scale: float) -> str:
    """SHA-256 (hex) over names, shapes, values and the scale: equal exactly when the features are."""
    digest = hashlib.sha256(scale.hex().encode())
    for name in sorted(weights):
        digest.update(f"{name}{tuple(weights[name].shape)}".encode())
        digest.update(weights[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def pack_classifier(classifier: TrainedClassifier) -> bytes:
    """Pack into one safetensors file, with accuracy, scale and the weights' digest in its metadata."""
    weights = {name: value.cpu().contiguous() for name, value in classifier.network.state_dict().items()}
    metadata = {
        "accuracy": classifier.accuracy,
        "scale": classifier.scale,
        "digest": weights_digest(weights, classifier.scale),
    }
    return save(weights, {METADATA_KEY: json.dumps(metadata)})


def unpack_classifier(data: bytes, definition: ClassifierDefinition, device: str) -> TrainedClassifier:
    """Read a packed classifier onto `device`. Raises `DamagedClassifier` if any bit differs from what was written."""
    try:
        weights = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = json.loads(header["__metadata__"][METADATA_KEY])
        accuracy, scale = float(metadata["accuracy"]), float(metadata["scale"])
        if metadata["digest"] != weights_digest(weights, scale):
            raise DamagedClassifier("its digest does not match")
        network = Classifier(definition)
        network.load_state_dict(weights)
    except Exception as error:  # damage can raise anything in safetensors, json and torch
        raise DamagedClassifier(f"{type(error).__name__}: {error}") from error
    return TrainedClassifier(definition, network.to(device).eval().requires_grad_(False), accuracy, scale)
