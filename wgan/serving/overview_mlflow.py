"""The registry's part of the front page: champions, versions on their way, and the runs that made them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, Field

from wgan.errors import WganError
from wgan.mlflow_values import Aliases
from wgan.model_version.way import stage_of
from wgan.serving.overview_records import OnItsWay
from wgan.serving.registry import RegistryClient, RegistryVersion
from wgan.settings import Settings

MOST_MODELS = 50
AT_ONCE = 4
"""Models that are asked about at a time."""
SECONDS = 10.0


@dataclass(frozen=True)
class ChampionNews:
    """The version under `champion`."""

    version: int
    since: datetime | None
    run_page: str | None


@dataclass(frozen=True)
class ModelNews:
    """What the registry says about a model."""

    champion: ChampionNews | None
    previous: int | None
    on_its_way: tuple[OnItsWay, ...]


@dataclass(frozen=True)
class RegistryNews:
    """Models by name."""

    models: dict[str, ModelNews] = field(default_factory=dict)


class _Registered(BaseModel):
    aliases: Aliases = Field(default_factory=dict)


class _ModelAnswer(BaseModel):
    registered_model: _Registered


class _Info(BaseModel):
    experiment_id: str


class _Run(BaseModel):
    info: _Info


class _RunAnswer(BaseModel):
    run: _Run


async def read_registry(models: Sequence[str], settings: Settings) -> RegistryNews:
    """Ask the registry about the models. Raises `WganError` if it does not answer in time."""
    client, turns = RegistryClient(settings), asyncio.Semaphore(AT_ONCE)

    async def read(name: str) -> ModelNews:
        async with turns:
            return await _model(client, name, settings)

    try:
        async with asyncio.timeout(SECONDS):
            found = await asyncio.gather(*(read(name) for name in models[:MOST_MODELS]))
    except TimeoutError:
        raise WganError(f"the server at {client.where} did not answer within {SECONDS:g} s.") from None
    finally:
        await client.close()
    return RegistryNews(dict(zip(models, found, strict=False)))


async def _model(client: RegistryClient, name: str, settings: Settings) -> ModelNews:
    answer = await client.get("registered-models/get", _ModelAnswer, {"name": name})
    aliases = answer.registered_model.aliases if answer else {}
    found = {
        alias: await client.version(name, aliases[alias]) for alias in ("champion", "challenger") if alias in aliases
    }
    champion, challenger = found.get("champion"), found.get("challenger")
    return ModelNews(
        champion=await _champion(client, champion, aliases, settings) if champion else None,
        previous=aliases.get("previous"),
        on_its_way=_on_its_way(challenger, aliases, settings) if challenger else (),
    )


async def _champion(
    client: RegistryClient, found: RegistryVersion, aliases: dict[str, int], settings: Settings
) -> ChampionNews:
    page = None
    if found.run_id:
        answer = await client.get("runs/get", _RunAnswer, {"run_id": found.run_id})
        if answer is not None:
            page = settings.mlflow_link(f"/experiments/{answer.run.info.experiment_id}/runs/{found.run_id}")
    return ChampionNews(found.version, stage_of(found.version, found.tags, aliases).since, page)


def _on_its_way(found: RegistryVersion, aliases: dict[str, int], settings: Settings) -> tuple[OnItsWay, ...]:
    stage = stage_of(found.version, found.tags, aliases)
    if stage.waits_for is None:  # an alias that somebody set by hand
        return ()
    return (
        OnItsWay(
            version=found.version,
            stage=stage.stage,
            since=stage.since,
            waits_for=stage.waits_for,
            until=stage.until,
            page=settings.mlflow_link(f"/models/{found.model}/versions/{found.version}"),
        ),
    )
