"""The record that a data set may be trained on although the rules refuse it; it lies beside the data set in S3."""

from __future__ import annotations

from pydantic import ValidationError

from wgan.data.manifest import DatasetDamaged, dataset_prefix
from wgan.data_report.record import Acceptance
from wgan.errors import ObjectMissing
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.signing import NotSigned, sealed, unsealed

NAME = "accepted.json"


def write_acceptance(dataset: DatasetRef, decision: Acceptance, settings: Settings, storage: Storage) -> None:
    """Store the decision, signed; it replaces an earlier one on the same data set."""
    key = _key(dataset, settings)
    content = decision.model_dump_json().encode()
    storage.put_bytes(key, sealed(_signed_name(dataset), content, settings), "application/json")


def read_acceptance(dataset: DatasetRef, settings: Settings, storage: Storage) -> Acceptance | None:
    """The decision on a data set; None if there is none. Raises `DatasetDamaged` if it is not this pipeline's."""
    key = _key(dataset, settings)
    try:
        decision = Acceptance.model_validate_json(unsealed(_signed_name(dataset), storage.get_bytes(key), settings))
    except ObjectMissing:
        return None
    except (NotSigned, ValidationError):
        raise DatasetDamaged(f"{storage.uri(key)} is not a decision that this pipeline has recorded.") from None
    if decision.digest != dataset.digest:
        raise DatasetDamaged(f"{storage.uri(key)} is a decision on another data set.")
    return decision


def _key(dataset: DatasetRef, settings: Settings) -> str:
    return dataset_prefix(settings, dataset.name, dataset.digest) + NAME


def _signed_name(dataset: DatasetRef) -> str:
    return f"/{dataset.name}/{dataset.digest}/{NAME}"
