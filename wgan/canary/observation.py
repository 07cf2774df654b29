"""What all serving processes counted for two versions since a canary began.

Processes are read again and again, and the increases are added up. So one that dies keeps what it had counted until its
last reading, and one that starts again, with its counters at zero, is understood.
"""

from __future__ import annotations

from pydantic import ConfigDict, Field

from wgan.canary.counters import Counters, Reading
from wgan.records import Record


class Observation(Record):
    """The sums so far, and the last reading of each process, from which the next one is counted."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    challenger: int
    champion: int
    began: float = Field(description="Unix time.")
    last: dict[str, Reading] = Field(default_factory=dict, description="By the process's address.")
    sums: dict[int, Counters] = Field(default_factory=dict, description="By version.")

    def of(self, version: int) -> Counters:
        """What all processes together counted for a version."""
        return self.sums.get(version, Counters())

    def after(self, url: str, reading: Reading) -> Observation:
        """With a further reading of one process."""
        before = self.last.get(url)
        fresh = self._is_fresh(reading, before)
        sums = dict(self.sums)
        for version in (self.challenger, self.champion):
            now = reading.versions.get(version, Counters())
            if not fresh:
                # The first reading of a process that was there before only says from where to count.
                now = now.since(before.versions.get(version, Counters())) if before else Counters()
            sums[version] = self.of(version).plus(now)
        return self.model_copy(update={"last": {**self.last, url: reading}, "sums": sums})

    def _is_fresh(self, reading: Reading, before: Reading | None) -> bool:
        """Whether the process started after the canary began, or after its last reading: all it counted is new."""
        if before is None:
            return reading.started is not None and reading.started > self.began
        if reading.started != before.started:
            return True
        return any(
            counters.has_restarted(before.versions.get(version, Counters()))
            for version, counters in reading.versions.items()
        )
