"""Schedules of retraining, as declared in a file or by `wgan schedule add`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator

from wgan.amounts import Amount
from wgan.config import RetrainConfig
from wgan.config_model import ConfigModel
from wgan.config_reading import load_config, shown
from wgan.config_text import read_yaml, typed
from wgan.errors import UsageError

NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
CRON_PARTS = 5


class Clock(ConfigModel):
    """Points in time that come again."""

    cron: str = Field(description="Five fields: minute, hour, day of month, month, day of week.")
    timezone: str = Field("UTC", description="IANA name, e.g. Europe/Berlin; summer time is followed.")

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, cron: str) -> str:
        if len(cron.split()) != CRON_PARTS:
            raise ValueError("cron has five fields, minute hour day month weekday, e.g. '0 3 * * 1'")
        return " ".join(cron.split())

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):
            raise ValueError("timezone is an IANA name, e.g. Europe/Berlin") from None
        return timezone


class Schedule(Clock):
    """One model's retraining."""

    name: str = Field(description="Name of the schedule.", pattern=NAME, max_length=60)
    preset: str | None = Field(None, description="Configuration to start from; `wgan presets` lists them.")
    config: dict[str, Any] = Field(default_factory=dict, description="Sections laid over the preset.")
    if_changed: bool = Field(False, description="Train only on data that no version was trained on yet.")
    min_new: Amount | None = Field(
        None,
        description="Train only if so many images are new since the latest version: 500, or 5% of those there were.",
    )
    if_drifted: bool = Field(
        False, description="Train only if the data has moved from the champion's beyond the rules on drift."
    )
    promote: bool = Field(True, description="Ask the gate and move the champion alias; else register only.")
    paused: bool = Field(False, description="Declared, but not started by the clock.")
    overlap: Literal["enqueue", "cancel"] = Field(
        "enqueue", description="What becomes of a run that is due while the one before is running."
    )

    @model_validator(mode="after")
    def _something_to_train(self) -> Self:
        if not self.preset and not self.config:
            raise ValueError("choose what to train: preset or config")
        return self

    @property
    def condition(self) -> str | None:
        """When a run trains, as the rest of a sentence; None: always."""
        return condition(self.if_changed, self.min_new, self.if_drifted)

    def resolved(self) -> RetrainConfig:
        """The configuration of its runs. Raises `UsageError` naming the field, the value and what is allowed."""
        return load_config(self.preset, sections=self.config)


def condition(if_changed: bool, min_new: str | None, if_drifted: bool) -> str | None:
    """When a run with these parameters trains, as the rest of a sentence; None: always."""
    parts = [
        *([f"if {_images(min_new)} new"] if min_new else ["if the data is new"] if if_changed else []),
        *(["if the data has drifted"] if if_drifted else []),
    ]
    return " and ".join(parts) or None


def _images(amount: str) -> str:
    if amount.endswith("%"):
        return f"at least {amount} of the images are"
    return "an image is" if amount == "1" else f"at least {int(amount):,} images are"


class Declared(ConfigModel):
    """A file of schedules."""

    gpu_slots: int | None = Field(None, ge=1, description="Trainings at the same time; default: WGAN_GPU_SLOTS.")
    housekeeping: Clock = Field(
        Clock(cron="30 2 * * *"), description="When what nothing refers to any more is cleared away."
    )
    schedules: tuple[Schedule, ...] = Field((), description="One for each retraining.")

    @field_validator("schedules")
    @classmethod
    def _own_names(cls, schedules: tuple[Schedule, ...]) -> tuple[Schedule, ...]:
        names = [schedule.name for schedule in schedules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is declared twice: each schedule needs a name of its own")
        return schedules


def read_declared(path: Path) -> Declared:
    """Read and validate a file of schedules, including their configurations.

    Raises `UsageError` in one sentence: the file, the schedule, the value and what is allowed.
    """
    values = read_yaml(path, f"schedules file {path}")
    if not isinstance(values or {}, dict):
        raise UsageError(f"schedules file {path} must hold {', '.join(Declared.model_fields)}, not {shown(values)}.")
    try:
        declared = Declared.model_validate(typed(values or {}, Declared))
    except ValidationError as error:
        raise UsageError(f"schedules file {path}: {_sentence(error, values)}") from None
    for schedule in declared.schedules:
        try:
            schedule.resolved()
        except UsageError as error:
            raise UsageError(f"schedules file {path}: {schedule.name}: {error}") from None
    return declared


def make_schedule(**values: Any) -> Schedule:
    """A checked schedule. Raises `UsageError` in one sentence."""
    try:
        schedule = Schedule(**values)
    except ValidationError as error:
        raise UsageError(f"this schedule cannot be: {_sentence(error, values)}") from None
    schedule.resolved()
    return schedule


def _sentence(error: ValidationError, values: Any) -> str:
    first = error.errors()[0]
    where = ".".join(_named(part, values, first["loc"][:index]) for index, part in enumerate(first["loc"]))
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"there is no setting {where}."
    if first["type"] == "missing":
        return f"{where} is missing."
    given = f"={shown(first['input'])} is not allowed" if where and not isinstance(first["input"], dict) else ""
    return ": ".join(part for part in (f"{where}{given}", reason) if part).rstrip(".") + "."


def _named(part: int | str, values: Any, before: tuple[int | str, ...]) -> str:
    """A schedule by its name instead of its number."""
    if isinstance(part, int) and before == ("schedules",):
        entry = values["schedules"][part]
        return str(entry.get("name", part)) if isinstance(entry, dict) else str(part)
    return str(part)
