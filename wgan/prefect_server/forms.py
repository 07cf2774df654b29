"""The forms on Prefect's page for the parameters of the pipeline's flows.

Prefect would derive them from the flows' signatures, but only by importing the flows with all their dependencies.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from wgan.amounts import Amount
from wgan.config import DataConfig, RetrainConfig
from wgan.prefect_server.names import (
    BACKUP,
    COMPARE,
    EVALUATE,
    HOUSEKEEPING,
    PREPARE_DATA,
    PROMOTE,
    RELEASE,
    RETRAIN,
    ROLLBACK,
    STUDY,
)

MODEL = "Registered model, e.g. generator-digits."
PROTOCOL = "quick: fewer images and seeds; standard: that of the version's run; paper: as in the papers."
REQUIRED: Any = ...
"""Marks a parameter without a default."""


def _parameter(name: str, position: int, default: Any, description: str) -> Any:
    return Field(default, title=name, description=description, json_schema_extra={"position": position})


class RetrainForm(BaseModel):
    """The parameters of `flows.retrain.retrain`."""

    config: RetrainConfig = _parameter(
        "config", 0, REQUIRED, "What the run is: data, networks, training, evaluation protocol and the gate."
    )
    promote: bool = _parameter("promote", 1, True, "Ask the gate and move the champion alias; else register only.")
    only_if_changed: bool = _parameter(
        "only_if_changed", 2, False, "Train only on data that no version of the model was trained on yet."
    )
    min_new: Amount | None = _parameter(
        "min_new",
        3,
        None,
        "Train only if so many images are new since the latest version: 500, or 5% of those there were.",
    )
    only_if_drifted: bool = _parameter(
        "only_if_drifted", 4, False, "Train only if the data has moved from the champion's beyond the rules on drift."
    )
    accept_data: str | None = _parameter(
        "accept_data", 5, None, "Beginning of the digest of a data set to train on although its rules refuse it."
    )
    accept_reason: str | None = _parameter("accept_reason", 6, None, "Why, for the record.")


class HousekeepingForm(BaseModel):
    """The parameters of `flows.housekeeping.housekeeping`."""

    dry_run: bool = _parameter("dry_run", 0, False, "Remove nothing; report what would be removed.")


class PromoteForm(BaseModel):
    """The parameters of `flows.promote.promote`."""

    model_name: str = _parameter("model_name", 0, REQUIRED, MODEL)
    version: int = _parameter("version", 1, REQUIRED, "Number of the version to promote.")
    force: bool = _parameter("force", 2, False, "Promote regardless of the gate; needs a reason.")
    reason: str | None = _parameter("reason", 3, None, "Why, for the ledger.")
    dry_run: bool = _parameter("dry_run", 4, False, "Measure and decide; change nothing.")
    actor: str | None = _parameter("actor", 5, None, "Who asks for it, for the ledger.")


class RollbackForm(BaseModel):
    """The parameters of `flows.rollback.rollback`."""

    model_name: str = _parameter("model_name", 0, REQUIRED, MODEL)
    to: int | None = _parameter("to", 1, None, "Version to serve again; empty: the previous champion.")
    reason: str = _parameter("reason", 2, "rolled back from Prefect's page", "Why, for the ledger.")
    actor: str | None = _parameter("actor", 3, None, "Who asks for it, for the ledger.")


class EvaluateForm(BaseModel):
    """The parameters of `flows.evaluate.evaluate`."""

    model_name: str = _parameter("model_name", 0, REQUIRED, MODEL)
    version: str = _parameter(
        "version", 1, "champion", "Number of the version, or an alias: champion, challenger or previous."
    )
    protocol: Literal["quick", "standard", "paper"] = _parameter("protocol", 2, "standard", PROTOCOL)


class CompareForm(BaseModel):
    """The parameters of `flows.compare.compare`."""

    model_name: str = _parameter("model_name", 0, REQUIRED, MODEL)
    version: str = _parameter(
        "version", 1, REQUIRED, "Number of the version, or its alias; it takes the challenger's place."
    )
    against: str = _parameter(
        "against",
        2,
        "champion",
        "Number of the version in the champion's place, or an alias: champion, challenger or previous.",
    )
    protocol: Literal["quick", "standard", "paper"] = _parameter("protocol", 3, "standard", PROTOCOL)


class PrepareDataForm(BaseModel):
    """The parameters of `flows.prepare_data.prepare_data`."""

    data: DataConfig = _parameter("data", 0, REQUIRED, "The images, and how they are prepared.")


class StudyForm(BaseModel):
    """The parameters of `flows.study.study`."""

    size: Literal["tiny", "short", "medium", "full"] = _parameter(
        "size",
        0,
        "short",
        "tiny: a few steps, as a check; short: minutes; medium: hours; full: as long as the papers train.",
    )
    claims: tuple[int, ...] = _parameter("claims", 1, tuple(range(1, 8)), "Numbers of the claims, 1 to 7.")
    seed: int = _parameter("seed", 2, 0, "First of the consecutive seeds.")


class BackupForm(BaseModel):
    """The parameters of `flows.backup.backup`."""

    name: str = _parameter(
        "name",
        0,
        REQUIRED,
        "Of the new backup, e.g. 2026-05-04; it is saved in WGAN_BACKUPS_DIR of the worker's machine.",
    )
    base: str | None = _parameter(
        "base", 1, None, "Name of an earlier backup there; what has not changed since is taken from it."
    )


class ReleaseForm(BaseModel):
    """The parameters of `flows.release.release`."""

    model_name: str = _parameter("model_name", 0, REQUIRED, MODEL)
    version: int = _parameter("version", 1, REQUIRED, "The version that passed the gate.")
    approve_by: str | None = _parameter(
        "approve_by", 2, None, "When a wait for approval ends by itself, ISO 8601; None: it needs none."
    )


FORMS: dict[str, type[BaseModel]] = {
    RETRAIN: RetrainForm,
    HOUSEKEEPING: HousekeepingForm,
    PROMOTE: PromoteForm,
    ROLLBACK: RollbackForm,
    EVALUATE: EvaluateForm,
    COMPARE: CompareForm,
    PREPARE_DATA: PrepareDataForm,
    STUDY: StudyForm,
    BACKUP: BackupForm,
    RELEASE: ReleaseForm,
}


def form_of(flow: str) -> dict[str, Any]:
    """The JSON schema of a flow's parameters, as Prefect stores it with a deployment."""
    schema = FORMS[flow].model_json_schema(ref_template="#/definitions/{model}")
    required = {"required": schema["required"]} if "required" in schema else {}
    return {
        "title": "Parameters",
        "type": "object",
        "properties": schema["properties"],
        **required,
        "definitions": schema.get("$defs", {}),
    }
