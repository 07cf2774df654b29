"""Names of MLflow runs that say what became of them: `digits · v3 · refused · seed 3`.

Over MLflow's REST API, so that a promotion or rollback does not import MLflow for it. A name decides nothing: one that
cannot be written is a warning.
"""

from __future__ import annotations

import logging
from typing import Literal

import httpx
from pydantic import BaseModel, ValidationError

from wgan.errors import WganError
from wgan.mlflow_server import connection_options, reason_of, registry_address
from wgan.records import LedgerEntry
from wgan.settings import Settings
from wgan.tracking.parameters import DATA_SET, SEED

Outcome = Literal["registered", "refused", "promoted", "rolled back"]
GATE_TAG = "gate"
"""Tag of a version that was put to the gate."""

logger = logging.getLogger(__name__)


def first_name(data_set: str, seed: int) -> str:
    """A run's name until its version is registered."""
    return _name(data_set, str(seed))


def name_registered_run(model: str, version: int, settings: Settings) -> None:
    """Name the run of a version that was just registered; one that was put to the gate already keeps its name."""
    _name_run(model, version, "registered", settings)


def name_judged_runs(entry: LedgerEntry, settings: Settings) -> None:
    """Name the runs of the versions whose lot a promotion, a refusal or a rollback decided."""
    if entry.action == "refused":
        _name_run(entry.model_name, entry.to_version, "refused", settings)
        return
    _name_run(entry.model_name, entry.to_version, "promoted", settings)
    if entry.action == "rolled-back" and entry.from_version is not None:
        _name_run(entry.model_name, entry.from_version, "rolled back", settings)


def _name_run(model: str, version: int, outcome: Outcome, settings: Settings) -> None:
    try:
        where = registry_address(settings)
        with httpx.Client(base_url=f"{where}/api/2.0/mlflow/", **connection_options(settings)) as client:
            answer = client.get("model-versions/get", params={"name": model, "version": version}).raise_for_status()
            found = _VersionAnswer.model_validate_json(answer.content).model_version
            if outcome == "registered" and any(tag.key == GATE_TAG for tag in found.tags):
                return
            answer = client.get("runs/get", params={"run_id": found.run_id}).raise_for_status()
            run = _RunAnswer.model_validate_json(answer.content).run
            parameters = {entry.key: entry.value for entry in run.data.params}
            if not parameters.keys() >= {DATA_SET, SEED}:
                raise WganError(f"it has no parameters {DATA_SET} and {SEED}")
            name = _name(parameters[DATA_SET], parameters[SEED], f"v{version}", outcome)
            client.post("runs/update", json={"run_id": found.run_id, "run_name": name}).raise_for_status()
    except (WganError, httpx.HTTPError, ValidationError) as error:
        logger.warning("The MLflow run of %s version %d keeps its name: %s.", model, version, reason_of(error))


def _name(data_set: str, seed: str, *between: str) -> str:
    return " · ".join((data_set, *between, f"seed {seed}"))


class _Pair(BaseModel):
    """A tag or a parameter; MLflow's answers leave out what is empty."""

    key: str
    value: str = ""


class _Version(BaseModel):
    run_id: str = ""
    tags: tuple[_Pair, ...] = ()


class _VersionAnswer(BaseModel):
    model_version: _Version


class _RunData(BaseModel):
    params: tuple[_Pair, ...] = ()


class _Run(BaseModel):
    data: _RunData = _RunData()


class _RunAnswer(BaseModel):
    run: _Run
