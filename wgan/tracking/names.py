"""Names of MLflow runs that show their outcome: `digits · v3 · refused · seed 3`.

Uses MLflow's REST API, so that a promotion or rollback need not import MLflow. Names are only informative: failing to
write one is a warning.
"""

from __future__ import annotations

import logging
from typing import Literal

from wgan.errors import WganError
from wgan.mlflow_api.models import Models
from wgan.mlflow_api.requests import Mlflow
from wgan.mlflow_api.runs import Runs
from wgan.records import LedgerEntry
from wgan.settings import Settings
from wgan.tracking.columns import VERSION_TAG
from wgan.tracking.parameters import DATA_SET, SEED

Outcome = Literal["registered", "passed", "refused", "withdrawn", "promoted", "rolled back"]
GATE_TAG = "gate"
"""Tag of a version that went through the gate."""

logger = logging.getLogger(__name__)


def first_name(data_set: str, seed: int) -> str:
    """A run's name until its version is registered."""
    return _name(data_set, str(seed))


def name_registered_run(model: str, version: int, settings: Settings) -> None:
    """Name the run of a newly registered version; one that went through the gate keeps its name."""
    _name_run(model, version, "registered", settings)


def name_judged_runs(entry: LedgerEntry, settings: Settings) -> None:
    """Name the runs of the versions affected by a step, a promotion or a rollback."""
    if entry.action in ("approved", "canary", "kept"):
        return
    if entry.action in ("passed", "refused", "withdrawn"):
        _name_run(entry.model_name, entry.to_version, entry.action, settings)
        return
    _name_run(entry.model_name, entry.to_version, "promoted", settings)
    if entry.action == "rolled-back" and entry.from_version is not None:
        _name_run(entry.model_name, entry.from_version, "rolled back", settings)


def _name_run(model: str, version: int, outcome: Outcome, settings: Settings) -> None:
    try:
        with Mlflow(settings) as server:
            models, runs = Models(server), Runs(server)
            found = models.version(model, version)
            if found is None or not found.run_id:
                raise WganError("it has none")
            if outcome == "registered" and GATE_TAG in found.tags:
                return
            parameters = runs.run(found.run_id).data.params
            if not parameters.keys() >= {DATA_SET, SEED}:
                raise WganError(f"it has no parameters {DATA_SET} and {SEED}")
            runs.tag(found.run_id, VERSION_TAG, f"{model} v{version}")
            runs.rename(found.run_id, _name(parameters[DATA_SET], parameters[SEED], f"v{version}", outcome))
    except WganError as error:
        reason = str(error).rstrip(".")
        logger.warning("The MLflow run of %s version %d keeps its name: %s.", model, version, reason)


def _name(data_set: str, seed: str, *between: str) -> str:
    return " · ".join((data_set, *between, f"seed {seed}"))
