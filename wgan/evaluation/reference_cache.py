"""The real side of evaluations in S3, by data set and protocol, so that later evaluations only measure generators."""

from __future__ import annotations

import hashlib
import io
import logging
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wgan.config import config_digest
from wgan.errors import ObjectMissing
from wgan.evaluation.reference import Reference
from wgan.records import EvaluationProtocol
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.signing import NotSigned, sealed, unsealed

log = logging.getLogger(__name__)

FORMAT = 1
"""Increased whenever what is computed from the real images, or how, changes."""
DIGEST = "sha256"
LEVEL = "projections-"
ARRAYS = tuple(field.name for field in fields(Reference) if field.name not in ("seeds", "projections"))


class DamagedReference(Exception):
    """The stored bytes are not a reference as it was written."""


def cache_key(kind: str, protocol: EvaluationProtocol, settings: Settings, suffix: str) -> str:
    """The S3 key for cached results of a data set and protocol."""
    return f"{settings.evaluation_prefix}/{kind}-{FORMAT}/{protocol.data_digest}/{config_digest(protocol)}{suffix}"


def load_reference(protocol: EvaluationProtocol, settings: Settings, storage: Storage) -> Reference | None:
    """The stored real side; None if there is none, or, with a warning, if it is damaged."""
    key = _reference_key(protocol, settings)
    try:
        return unpack_reference(read_own(key, settings, storage), protocol)
    except ObjectMissing:
        return None
    except NotSigned as error:
        log.warning("%s is ignored (%s): the real images are measured again.", storage.uri(key), error)
        return None
    except DamagedReference as error:
        log.warning("%s is damaged (%s): the real images are measured again.", storage.uri(key), error)
        return None


def store_reference(reference: Reference, protocol: EvaluationProtocol, settings: Settings, storage: Storage) -> None:
    """Store the real side as one object, atomically; an existing one is replaced."""
    write_own(_reference_key(protocol, settings), pack_reference(reference), settings, storage)


def _reference_key(protocol: EvaluationProtocol, settings: Settings) -> str:
    """Custom metrics use only the features of the real side, so they do not affect the key."""
    return cache_key("reference", protocol.model_copy(update={"own_metrics": ()}), settings, ".npz")


def write_own(key: str, content: bytes, settings: Settings, storage: Storage) -> None:
    """Store an object below the evaluation prefix, signed for its key."""
    storage.put_bytes(key, sealed(key.removeprefix(settings.evaluation_prefix), content, settings))


def read_own(key: str, settings: Settings, storage: Storage) -> bytes:
    """What `write_own` stored. Raises `ObjectMissing`, or `NotSigned` without a valid signature for this key."""
    return unsealed(key.removeprefix(settings.evaluation_prefix), storage.get_bytes(key), settings)


def pack_reference(reference: Reference) -> bytes:
    """Pack into an npz that includes the SHA-256 of its arrays."""
    arrays: dict[str, Any] = {name: getattr(reference, name) for name in ARRAYS}
    arrays |= {f"{LEVEL}{number}": level for number, level in enumerate(reference.projections)}
    file = io.BytesIO()
    np.savez(file, **arrays | {DIGEST: np.frombuffer(_digest(arrays), dtype=np.uint8)})
    return file.getvalue()


def unpack_reference(data: bytes, protocol: EvaluationProtocol) -> Reference:
    """Read a packed reference. Raises `DamagedReference` if any bit differs from what was written."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            if sum(entry.file_size for entry in file.zip.infolist()) > len(data):
                raise DamagedReference("it is packed, which this pipeline does not do")
            arrays = {name: file[name] for name in file.files}
        if arrays.pop(DIGEST).tobytes() != _digest(arrays):
            raise DamagedReference("its digest does not match")
        _require_shapes(arrays, protocol)
        levels = sorted(name for name in arrays if name.startswith(LEVEL))
        return Reference(
            seeds=protocol.seeds,
            projections=tuple(arrays[name] for name in levels),
            **{name: arrays[name] for name in ARRAYS},
        )
    except Exception as error:  # damage can raise anything in numpy and zipfile
        raise DamagedReference(f"{type(error).__name__}: {error}") from error


def _require_shapes(arrays: dict[str, NDArray[np.generic]], protocol: EvaluationProtocol) -> None:
    """Raise `ValueError` unless the arrays match the protocol."""
    seeds, sample = len(protocol.seeds), protocol.sample_count
    wanted = {"rows": (seeds, sample), "squared_radii": (seeds, sample), "kernel_means": (seeds,)}
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, the protocol asks for {shape}")
    count = len(arrays["indices"])
    if arrays["indices"].ndim != 1 or arrays["vectors"].ndim != 2 or len(arrays["vectors"]) != count:
        raise ValueError("there is not one vector for each image")
    for name in ("rows", "training_rows"):
        places = arrays[name]
        if places.dtype != np.int64 or (places.size and not (places.min() >= 0 and places.max() < count)):
            raise ValueError(f"{name} names images that it does not hold")
    if arrays["training_rows"].ndim != 1 or arrays["held_out_distances"].shape[:1] != (seeds,):
        raise ValueError("the images that memorisation is judged by do not fit")
    if any(level.ndim != 3 or len(level) != seeds for name, level in arrays.items() if name.startswith(LEVEL)):
        raise ValueError("the projections are not those of the seeds")


def _digest(arrays: dict[str, NDArray[np.generic]]) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.digest()
