"""Collects what changes in a burst, so that a thousand uploads start one run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from wgan.errors import WganError
from wgan.listening.notifications import Change

log = logging.getLogger(__name__)

LONGEST = 60
"""A burst without a pause ends after so many times the quiet time."""
MOST_CHANGES = 100_000
"""A burst ends with so many objects, too; more would only fill the memory."""


class Bursts:
    """Collects changes until none has come for a while, and hands them on together. For one event loop."""

    def __init__(self, quiet_seconds: float, hand_on: Callable[[frozenset[Change]], None]) -> None:
        """`hand_on` is called in a thread; what it cannot hand on (`WganError`) is kept for the next time."""
        self._quiet_seconds = quiet_seconds
        self._hand_on = hand_on
        self._changes: set[Change] = set()
        self._came = asyncio.Event()

    def add(self, changes: Iterable[Change]) -> None:
        """Add to the burst under way, or begin one."""
        self._changes.update(changes)
        if self._changes:
            self._came.set()

    async def run(self) -> None:
        """Hand on one burst after the other, until cancelled."""
        while True:
            await self._came.wait()
            await self._end_of_burst()
            burst, self._changes = frozenset(self._changes), set()
            try:
                await asyncio.to_thread(self._hand_on, burst)
            except WganError as error:
                log.warning("Nothing is started yet: %s", error)
                self.add(burst)

    async def finish(self) -> None:
        """Hand on what has come so far; the receiver stops."""
        if self._changes:
            try:
                await asyncio.to_thread(self._hand_on, frozenset(self._changes))
            except WganError as error:
                log.warning("Nothing is started for the last %d objects: %s", len(self._changes), error)

    async def _end_of_burst(self) -> None:
        """Return when no change has come for the quiet time, or when the burst is too long or too large."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST * self._quiet_seconds):
                while self._came.is_set() and len(self._changes) < MOST_CHANGES:
                    self._came.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._came.wait(), self._quiet_seconds)
        self._came.clear()
