"""The forms on Prefect's page for the parameters of flows with schedules.

Prefect would derive them from the flows' signatures, but only by importing the flows with all their dependencies.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from wgan.config import RetrainConfig
from wgan.prefect_server.names import HOUSEKEEPING, RETRAIN


class RetrainForm(BaseModel):
    """The parameters of `flows.retrain.retrain`."""

    config: RetrainConfig = Field(
        title="config",
        description="What the run is: data, networks, training, evaluation protocol and the gate.",
        json_schema_extra={"position": 0},
    )
    promote: bool = Field(
        True,
        title="promote",
        description="Ask the gate and move the champion alias; else register only.",
        json_schema_extra={"position": 1},
    )
    only_if_changed: bool = Field(
        False,
        title="only_if_changed",
        description="Train only on data that no version of the model was trained on yet.",
        json_schema_extra={"position": 2},
    )


class HousekeepingForm(BaseModel):
    """The parameters of `flows.housekeeping.housekeeping`."""

    dry_run: bool = Field(
        False,
        title="dry_run",
        description="Remove nothing; report what would be removed.",
        json_schema_extra={"position": 0},
    )


FORMS: dict[str, type[BaseModel]] = {RETRAIN: RetrainForm, HOUSEKEEPING: HousekeepingForm}


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
