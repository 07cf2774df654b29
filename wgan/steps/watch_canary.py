"""Watches a canary: reads every serving process's metrics until the challenger is worse, good enough, or time is up.

What was counted is kept in the bucket after every reading, so that a run that was killed continues there.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from wgan.canary.verdict import Verdict, figures_of, judge
from wgan.config_promotion import CanaryConfig
from wgan.errors import UsageError, WganError
from wgan.records import CanaryEnd, CanaryFigures, LedgerEntry
from wgan.registry.aliases import model_aliases
from wgan.registry.release import reason_to_withdraw, standing
from wgan.settings import Settings
from wgan.steps.confirm_serving import serving_urls
from wgan.steps.serving_reading import kept_observation, read_processes
from wgan.storage import Storage

POLL_SECONDS = 2.0
log = logging.getLogger(__name__)


def watch_canary(entry: LedgerEntry, settings: Settings, storage: Storage) -> CanaryEnd:
    """Wait for the end of the canary that the entry began.

    Servers that do not answer are asked again until the time is up. Raises `UsageError` for an invalid URL.
    """
    rules = entry.plan.canary if entry.plan else None
    if rules is None or entry.from_version is None:
        return CanaryEnd(outcome="good", reason="There is no champion to compare with.")
    urls = serving_urls(settings)
    if not urls:
        return CanaryEnd(outcome="undecided", reason="No serving process is configured (WGAN_SERVING_URLS).")
    seen = kept_observation(entry, entry.from_version, settings, storage)
    while True:
        reason = _changed(entry, settings, storage)
        if reason is not None:
            return CanaryEnd(outcome="changed", reason=reason)
        seen, refusals = read_processes(urls, seen, entry, "challenger", settings, storage)
        minutes = (datetime.now(UTC) - entry.time).total_seconds() / 60
        verdict = judge(seen.of(seen.challenger), seen.of(seen.champion), rules)
        if refusals:
            verdict = Verdict("worse", "; ".join(refusals))
        if _is_over(verdict, minutes, rules):
            figures = CanaryFigures(
                challenger=figures_of(seen.of(seen.challenger), rules),
                champion=figures_of(seen.of(seen.champion), rules),
                processes=len(seen.last),
                minutes=round(minutes, 2),
            )
            return CanaryEnd(outcome=verdict.outcome, reason=verdict.reason, figures=figures)
        time.sleep(POLL_SECONDS)


def _is_over(verdict: Verdict, minutes: float, rules: CanaryConfig) -> bool:
    if verdict.outcome == "worse":
        return True
    return minutes >= (rules.minutes if verdict.outcome == "good" else rules.longest_minutes)


def _changed(entry: LedgerEntry, settings: Settings, storage: Storage) -> str | None:
    """Why the version is no longer in this canary; None if it is, or if the servers do not answer."""
    try:
        now = standing(entry.model_name, entry.to_version, settings, storage)
        if now is None or now.id != entry.id:
            return "Its last step is no longer in the ledger." if now is None else now.reason
        return reason_to_withdraw(entry, model_aliases(entry.model_name, settings))
    except UsageError as error:  # the version is gone
        return str(error)
    except WganError as error:
        log.warning("The canary continues, but its registry does not answer: %s", error)
        return None
