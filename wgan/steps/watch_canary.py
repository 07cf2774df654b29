"""Watches a canary: reads every serving process's metrics until the challenger is worse, good enough, or time is up.

What was counted is kept in the bucket after every reading, so that a run that was killed continues there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from wgan.canary.counters import read_metrics
from wgan.canary.observation import Observation
from wgan.canary.verdict import Verdict, figures_of, judge
from wgan.config import CanaryConfig
from wgan.errors import ObjectMissing, WganError
from wgan.records import CanaryEnd, CanaryFigures, LedgerEntry
from wgan.registry.aliases import model_aliases
from wgan.registry.release import reason_to_withdraw, standing
from wgan.settings import Settings
from wgan.steps.confirm_serving import REFUSALS, REQUEST_SECONDS, serving_urls
from wgan.storage import Storage

POLL_SECONDS = 2.0
log = logging.getLogger(__name__)


def watch_canary(
    entry: LedgerEntry, settings: Settings, storage: Storage, said: Callable[[str], None] = log.info
) -> CanaryEnd:
    """Wait for the end of the canary that the entry began; `said` gets a sentence whenever the verdict changes.

    Servers that do not answer are asked again until the time is up. Raises `UsageError` for an invalid URL.
    """
    rules = entry.plan.canary if entry.plan else None
    if rules is None or entry.from_version is None:
        return CanaryEnd(outcome="good", reason="There is no champion to compare with.")
    urls, before = serving_urls(settings), ""
    if not urls:
        return CanaryEnd(outcome="undecided", reason="No serving process is configured (WGAN_SERVING_URLS).")
    seen = _kept(entry, settings, storage)
    while True:
        reason = _changed(entry, settings, storage)
        if reason is not None:
            return CanaryEnd(outcome="changed", reason=reason)
        refusals = []
        for url in urls:
            try:
                seen, refusal = _asked(url, seen, entry, settings)
            except (httpx.HTTPError, WganError) as error:
                log.debug("%s: %s", url, error)
            else:
                refusals += [f"{url} {refusal}"] if refusal else []
        _keep(seen, entry, settings, storage)
        minutes = (datetime.now(UTC) - entry.time).total_seconds() / 60
        verdict = judge(seen.of(seen.challenger), seen.of(seen.champion), rules)
        if refusals:
            verdict = Verdict("worse", "; ".join(refusals))
        if verdict.reason != before and verdict.outcome != "undecided":
            said(f"{verdict.outcome}: {verdict.reason}")
        before = verdict.reason
        if _is_over(verdict, minutes, rules):
            figures = CanaryFigures(
                challenger=figures_of(seen.of(seen.challenger), rules),
                champion=figures_of(seen.of(seen.champion), rules),
                processes=len(seen.last),
                minutes=round(minutes, 2),
            )
            return CanaryEnd(outcome=verdict.outcome, reason=verdict.reason, figures=figures)
        time.sleep(POLL_SECONDS)


def forget_canary(entry: LedgerEntry, settings: Settings, storage: Storage) -> None:
    """Remove what was kept of a canary that has ended."""
    storage.delete(_key(entry, settings))


def _is_over(verdict: Verdict, minutes: float, rules: CanaryConfig) -> bool:
    if verdict.outcome == "worse":
        return True
    return minutes >= (rules.minutes if verdict.outcome == "good" else rules.longest_minutes)


def _asked(url: str, seen: Observation, entry: LedgerEntry, settings: Settings) -> tuple[Observation, str | None]:
    """With one more reading of a process; and why it cannot serve the challenger, if that is the version's fault."""
    headers = {}
    if settings.serving_api_key:
        headers["Authorization"] = f"Bearer {settings.serving_api_key.get_secret_value()}"
    with httpx.Client(base_url=url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False) as client:
        metrics = client.get("/metrics").raise_for_status()
        state = client.get(f"/v1/models/{quote(entry.model_name, safe='')}").raise_for_status().json()
    reading = read_metrics(metrics.text, entry.model_name, (seen.challenger, seen.champion))
    alias = (state.get("aliases") or {}).get("challenger") or {}
    refused = alias.get("wanted") == entry.to_version and (alias.get("version_faults") or 0) >= REFUSALS
    return seen.after(url, reading), f"could not take it into service: {alias.get('stale')}" if refused else None


def _changed(entry: LedgerEntry, settings: Settings, storage: Storage) -> str | None:
    """Why the version is no longer in this canary; None if it is, or if the servers do not answer."""
    try:
        now = standing(entry.model_name, entry.to_version, settings, storage)
        if now is None or now.id != entry.id:
            return "" if now is None else now.reason
        return reason_to_withdraw(entry, model_aliases(entry.model_name, settings))
    except WganError as error:
        log.warning("The canary continues, but its registry does not answer: %s", error)
        return None


def _kept(entry: LedgerEntry, settings: Settings, storage: Storage) -> Observation:
    """What an earlier process of the run has counted; else a new observation."""
    assert entry.from_version is not None
    try:
        return Observation.model_validate_json(storage.get_bytes(_key(entry, settings)))
    except (ObjectMissing, ValidationError):
        return Observation(challenger=entry.to_version, champion=entry.from_version, began=entry.time.timestamp())


def _keep(seen: Observation, entry: LedgerEntry, settings: Settings, storage: Storage) -> None:
    try:
        storage.put_bytes(_key(entry, settings), seen.model_dump_json().encode(), "application/json")
    except WganError as error:  # it is kept at the next reading
        log.warning("The canary continues, but its figures are not kept: %s", error)


def _key(entry: LedgerEntry, settings: Settings) -> str:
    return f"releases/{entry.model_name}/{entry.id}.json"
