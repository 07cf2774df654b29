"""Readings of serving processes while a version is watched; what they sum up to is kept in the bucket."""

from __future__ import annotations

import logging
from typing import Literal
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from wgan.canary.counters import read_metrics
from wgan.canary.observation import Observation
from wgan.errors import ObjectMissing, WganError
from wgan.records import LedgerEntry
from wgan.settings import Settings
from wgan.steps.confirm_serving import REFUSALS, REQUEST_SECONDS
from wgan.storage import Storage

log = logging.getLogger(__name__)


def read_processes(
    urls: list[str],
    seen: Observation,
    entry: LedgerEntry,
    alias: Literal["challenger", "champion"],
    settings: Settings,
    storage: Storage,
) -> tuple[Observation, list[str]]:
    """As `read_once`; what was counted is kept."""
    seen, refusals = read_once(urls, seen, entry, alias, settings)
    keep_observation(seen, entry, settings, storage)
    return seen, refusals


def read_once(
    urls: list[str], seen: Observation, entry: LedgerEntry, alias: Literal["challenger", "champion"], settings: Settings
) -> tuple[Observation, list[str]]:
    """With one more reading of every process that answers; and why processes cannot serve the version.

    Only the version's own faults count. A process that does not answer is asked again with the next reading.
    """
    refusals = []
    for url in urls:
        try:
            seen, refusal = read_process(url, seen, entry, alias, settings)
        except (httpx.HTTPError, WganError) as error:
            log.debug("%s: %s", url, error)
        else:
            refusals += [f"{url} {refusal}"] if refusal else []
    return seen, refusals


def read_process(
    url: str, seen: Observation, entry: LedgerEntry, alias: Literal["challenger", "champion"], settings: Settings
) -> tuple[Observation, str | None]:
    """With one more reading of a process; and why it cannot serve the version, if that is the version's own fault.

    Raises `httpx.HTTPError`, `WganError` if the process does not answer as one of this pipeline does.
    """
    headers = {}
    if settings.serving_api_key:
        headers["Authorization"] = f"Bearer {settings.serving_api_key.get_secret_value()}"
    with httpx.Client(base_url=url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False) as client:
        metrics = client.get("/metrics").raise_for_status()
        answer = client.get(f"/v1/models/{quote(entry.model_name, safe='')}").raise_for_status()
    seen = seen.after(url, read_metrics(metrics.text, entry.model_name, (seen.challenger, seen.champion)))
    return seen, _refusal(answer, entry, alias)


def kept_observation(entry: LedgerEntry, champion: int, settings: Settings, storage: Storage) -> Observation:
    """What an earlier process of the run has counted since the entry; else a new observation."""
    try:
        return Observation.model_validate_json(storage.get_bytes(_key(entry, settings)))
    except (ObjectMissing, ValidationError):
        return Observation(challenger=entry.to_version, champion=champion, began=entry.time.timestamp())


def keep_observation(seen: Observation, entry: LedgerEntry, settings: Settings, storage: Storage) -> None:
    """Keep what was counted so far; a bucket that does not answer is asked again after the next reading."""
    try:
        storage.put_bytes(_key(entry, settings), seen.model_dump_json().encode(), "application/json")
    except WganError as error:
        log.warning("What was counted is not kept for now: %s", error)


def forget_observation(entry: LedgerEntry, settings: Settings, storage: Storage) -> None:
    """Remove what was kept, after its end."""
    try:
        storage.delete(_key(entry, settings))
    except WganError as error:
        log.warning("What was counted stays in the bucket: %s", error)


def _refusal(answer: httpx.Response, entry: LedgerEntry, alias: str) -> str | None:
    try:
        state = answer.json()["aliases"][alias]
        refused = state["wanted"] == entry.to_version and state["version_faults"] >= REFUSALS
    except (ValueError, KeyError, TypeError):  # it does not follow the alias
        return None
    return f"could not take it into service: {state.get('stale')}" if refused else None


def _key(entry: LedgerEntry, settings: Settings) -> str:
    return f"{settings.releases_prefix}/{entry.model_name}/{entry.id}.json"
