"""The answer of `/v1/overview`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class OnItsWay(BaseModel):
    """A version between the gate and production."""

    version: int
    stage: str = Field(description="approval, canary, promotion, …")
    since: datetime | None
    waits_for: str | None = Field(description="What it waits for, as a phrase; null: nothing.")
    until: datetime | None = Field(description="When the wait ends by itself; null: it does not.")
    page: str = Field(description="The version in MLflow.")


class Retraining(BaseModel):
    """A flow run of `retrain`."""

    name: str
    state: str = Field(description="Its name: Completed, Refused, Skipped, Running, Failed, …")
    message: str = Field(description="How it ended, or how far it is.")
    began: datetime | None
    ended: datetime | None
    page: str = Field(description="The run in Prefect.")


class ScheduleFacts(BaseModel):
    """A schedule of a model."""

    name: str
    when: str = Field(examples=["0 3 * * 1 Europe/Berlin"])
    paused: bool
    next_run: datetime | None
    page: str = Field(description="The deployment in Prefect.")


class ModelOverview(BaseModel):
    """One model."""

    name: str
    version: int | None = Field(description="Version that draws here; null: none.")
    since: datetime | None = Field(description="When it became champion; null: not known.")
    loaded: datetime | None = Field(description="Since when this process serves it.")
    reason: str | None = Field(description="Why nothing draws; null: something does.")
    previous: int | None = Field(description="Version that a rollback returns to.")
    on_its_way: list[OnItsWay]
    retrainings: list[Retraining] = Field(description="The newest first.")
    schedules: list[ScheduleFacts]
    model_page: str = Field(description="The model in MLflow.")
    version_page: str | None = Field(description="The served version in MLflow.")
    run_page: str | None = Field(description="The run that made it, in MLflow.")


class Overview(BaseModel):
    """All models of this process, and those that are being trained."""

    models: list[ModelOverview] = Field(description="Those served first, the default at the beginning.")
    problems: list[str] = Field(description="Why something may be missing or old, one sentence for each server.")
    asked: datetime | None = Field(description="When MLflow and Prefect were last asked; null: not yet.")
    mlflow: str = Field(description="MLflow's page.")
    prefect: str = Field(description="Prefect's page.")
