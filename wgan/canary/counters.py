"""The counters of two versions in a serving process's metrics, in Prometheus's text format."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from pydantic import ConfigDict, Field

from wgan.errors import WganError
from wgan.records import Record

ROLES = ("served", "challenger")
"""Requests that a client got an answer to; what runs unseen beside the champion does not count."""


class Counters(Record):
    """What a process, or several together, counted for one version."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    requests: int = 0
    """Requests drawn."""
    failures: int = 0
    bounds: tuple[float, ...] = Field((), description="Upper bounds of the latency's buckets in seconds, the last inf.")
    counts: tuple[int, ...] = Field((), description="Requests in each bucket.")

    @property
    def attempts(self) -> int:
        """Requests drawn, and those that failed."""
        return self.requests + self.failures

    def plus(self, other: Counters) -> Counters:
        """Both together."""
        return self._combined(other, 1)

    def since(self, before: Counters) -> Counters:
        """What was counted after `before`, of the same process."""
        return self._combined(before, -1)

    def has_restarted(self, before: Counters) -> bool:
        """Whether any counter is lower than before."""
        pairs = [(self.requests, before.requests), (self.failures, before.failures)]
        return any(now < then for now, then in [*pairs, *zip(self.counts, before.counts, strict=False)])

    def _combined(self, other: Counters, sign: int) -> Counters:
        if self.bounds and other.bounds and self.bounds != other.bounds:
            raise WganError("the serving processes count latencies in different buckets: run the same release of each.")
        bounds = self.bounds or other.bounds
        mine, theirs = (side.counts or (0,) * len(bounds) for side in (self, other))
        return Counters(
            requests=self.requests + sign * other.requests,
            failures=self.failures + sign * other.failures,
            bounds=bounds,
            counts=tuple(one + sign * two for one, two in zip(mine, theirs, strict=True)),
        )


class Reading(Record):
    """One reading of a process's metrics."""

    started: float | None = Field(description="Unix time at which the process started; None if it does not say.")
    versions: dict[int, Counters]


def read_metrics(text: str, model: str, versions: tuple[int, ...]) -> Reading:
    """The counters of a model's versions. Raises `WganError` if the text is not in Prometheus's format."""
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        started = next((sample.value for sample in samples if sample.name == "wgan_started_seconds"), None)
        mine = [
            (sample.labels["version"], sample.name, sample.labels.get("le"), sample.value)
            for sample in samples
            if sample.labels.get("model") == model and sample.labels.get("role") in ROLES
        ]
        found = {version: _counters([row[1:] for row in mine if row[0] == str(version)]) for version in versions}
    except (ValueError, KeyError, OverflowError) as error:
        raise WganError(f"the metrics of a serving process are not in Prometheus's format ({error}).") from None
    return Reading(started=started, versions=found)


def _counters(rows: list[tuple[str, str | None, float]]) -> Counters:
    cumulative: dict[float, int] = {}
    for name, bound, value in rows:
        if name == "wgan_version_seconds_bucket" and bound is not None:
            cumulative[float(bound)] = cumulative.get(float(bound), 0) + int(value)
    bounds = tuple(sorted(cumulative))
    return Counters(
        requests=_sum(rows, "wgan_version_requests_total"),
        failures=_sum(rows, "wgan_version_failures_total"),
        bounds=bounds if bounds and math.isinf(bounds[-1]) else (),
        counts=tuple(_differences([cumulative[bound] for bound in bounds])),
    )


def _sum(rows: list[tuple[str, str | None, float]], name: str) -> int:
    return sum(int(value) for found, _, value in rows if found == name)


def _differences(cumulative: list[int]) -> Iterator[int]:
    for before, now in zip([0, *cumulative], cumulative, strict=False):
        yield now - before
