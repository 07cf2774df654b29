"""Watches a new champion: until the stated time is over, or a serving process reports a fault of the version.

Requests that it failed are counted as in a canary, over all processes and their restarts.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from wgan.canary.observation import Observation
from wgan.errors import WganError
from wgan.model_version.way import watch_until
from wgan.records import LedgerEntry, WatchEnd
from wgan.registry.aliases import champion_version
from wgan.settings import Settings
from wgan.steps.confirm_serving import serving_urls
from wgan.steps.serving_reading import (
    forget_observation,
    keep_observation,
    kept_observation,
    read_once,
    read_processes,
)
from wgan.storage import Storage

POLL_SECONDS = 2.0
log = logging.getLogger(__name__)


def count_before(entry: LedgerEntry, settings: Settings) -> Observation | None:
    """What the serving processes have counted before the promotion; None if the plan has no watch.

    So a request that fails while the pipeline still waits for serving's confirmation counts, too. Raises `UsageError`
    for an invalid URL.
    """
    if entry.plan is None or not entry.plan.watch_minutes:
        return None
    seen = Observation(challenger=entry.to_version, champion=entry.from_version or 0, began=time.time())
    return read_once(serving_urls(settings), seen, entry, "challenger", settings)[0]


def begin_watch(promotion: LedgerEntry, before: Observation, settings: Settings, storage: Storage) -> None:
    """Count from there, unless an earlier process of the run has begun."""
    if not kept_observation(promotion, before.champion, settings, storage).last:
        keep_observation(before, promotion, settings, storage)


def watch_champion(promotion: LedgerEntry, settings: Settings, storage: Storage) -> WatchEnd:
    """Wait for the end of the watch. Servers that do not answer are asked again.

    A fault is a request that the version failed to draw, or a process that cannot take it into service by the version's
    own fault. A process that cannot reach the registry says nothing about the version. Raises `UsageError` for an
    invalid URL.
    """
    until, version = watch_until(promotion), promotion.to_version
    urls = serving_urls(settings)
    seen = kept_observation(promotion, promotion.from_version or 0, settings, storage)
    while until is not None:
        if (now := _champion(promotion, settings)) not in (None, version):
            end = WatchEnd(outcome="changed", reason=f"the champion is now version {now}.")
            break
        seen, refusals = read_processes(urls, seen, promotion, "champion", settings, storage)
        counted = seen.of(version)
        figures = f"{counted.failures:,} of {counted.attempts:,} requests failed"
        if refusals or counted.failures:
            reason = "; ".join([*refusals, *([figures] if counted.failures else [])])
            end = WatchEnd(outcome="fault", reason=f"In the watch after the promotion of version {version}: {reason}.")
            break
        if datetime.now(UTC) >= until:
            watched = f"{len(seen.last)} of {len(urls)} serving processes answered"
            end = WatchEnd(outcome="kept", reason=f"Nothing was wrong after the promotion: {figures}; {watched}.")
            break
        time.sleep(POLL_SECONDS)
    else:
        end = WatchEnd(outcome="kept", reason="No watch was asked for.")
    forget_observation(promotion, settings, storage)
    return end


def _champion(promotion: LedgerEntry, settings: Settings) -> int | None:
    """None if the registry does not answer."""
    try:
        return champion_version(promotion.model_name, settings)
    except WganError as error:
        log.warning("The watch continues, but its registry does not answer: %s", error)
        return None
