"""What serving processes counted for two versions: read from their metrics, and added up over restarts and deaths."""

from __future__ import annotations

import math

import pytest

from wgan.canary.counters import Counters, Reading, read_metrics
from wgan.canary.observation import Observation
from wgan.errors import WganError
from wgan.serving.metrics import FINE_SECONDS, Metrics

MODEL = "generator-digits"
BEGAN = 1000.0


def reading(challenger: int, champion: int, started: float | None = 10.0, failures: int = 0) -> Reading:
    return Reading(
        started=started,
        versions={2: Counters(requests=challenger, failures=failures), 1: Counters(requests=champion)},
    )


def observed(*readings: tuple[str, Reading]) -> Observation:
    seen = Observation(challenger=2, champion=1, began=BEGAN)
    for url, found in readings:
        seen = seen.after(url, found)
    return seen


def test_a_versions_requests_failures_and_latencies_are_read_from_the_metrics_page() -> None:
    metrics = Metrics()
    for version, role, seconds in ((2, "challenger", 0.0012), (2, "challenger", 0.5), (1, "served", 200.0)):
        metrics.version_requests.labels(MODEL, str(version), role).inc()
        metrics.version_seconds.labels(MODEL, str(version), role).observe(seconds)
    metrics.version_failures.labels(MODEL, "2", "challenger").inc(3)
    metrics.version_requests.labels(MODEL, "2", "shadow").inc(50)  # nobody got these
    metrics.version_requests.labels("generator-other", "2", "served").inc(50)
    found = read_metrics(metrics.page().decode(), MODEL, (1, 2))
    challenger, champion = found.versions[2], found.versions[1]
    assert (challenger.requests, challenger.failures, challenger.attempts) == (2, 3, 5)
    assert (champion.requests, champion.failures) == (1, 0)
    assert challenger.bounds == (*FINE_SECONDS, math.inf)
    assert sum(challenger.counts) == 2
    assert challenger.counts[1] == 1  # above 1 ms, at most 1.41 ms
    assert champion.counts[-1] == 1
    assert found.started is not None


def test_a_version_that_drew_nothing_has_counted_nothing() -> None:
    found = read_metrics(Metrics().page().decode(), MODEL, (2,))
    assert found.versions == {2: Counters()}


@pytest.mark.parametrize("text", ["{", "wgan_version_requests_total{model=", 'a{version="1"} word'])
def test_a_page_that_holds_no_metrics_is_one_sentence(text: str) -> None:
    with pytest.raises(WganError, match="not in Prometheus's format"):
        read_metrics(text, MODEL, (1, 2))


def test_only_what_was_counted_after_the_canary_began_counts() -> None:
    seen = observed(("a", reading(5, 100)), ("a", reading(8, 130)))
    assert (seen.of(2).requests, seen.of(1).requests) == (3, 30)


def test_the_processes_are_added_up() -> None:
    seen = observed(("a", reading(0, 0)), ("b", reading(0, 10)), ("a", reading(1, 5)), ("b", reading(2, 16)))
    assert (seen.of(2).requests, seen.of(1).requests) == (3, 11)


def test_a_process_that_starts_again_counts_from_zero_and_keeps_what_it_had() -> None:
    restarted = reading(4, 400, started=2000.0)  # more than before, so only its start tells
    seen = observed(("a", reading(0, 100)), ("a", reading(2, 110)), ("a", restarted))
    assert (seen.of(2).requests, seen.of(1).requests) == (6, 410)


def test_a_restart_is_understood_without_a_starting_time_too() -> None:
    seen = observed(("a", reading(9, 100, None)), ("a", reading(1, 150, None)))
    assert (seen.of(2).requests, seen.of(1).requests) == (1, 150)


def test_a_process_that_dies_keeps_what_it_had_counted() -> None:
    seen = observed(("a", reading(0, 0)), ("b", reading(0, 0)), ("b", reading(7, 70)), ("a", reading(1, 10)))
    assert (seen.of(2).requests, seen.of(1).requests) == (8, 80)


def test_a_process_that_joins_during_the_canary_counts_whole() -> None:
    seen = observed(("a", reading(3, 30, started=BEGAN + 5)))
    assert (seen.of(2).requests, seen.of(1).requests) == (3, 30)


def test_the_observation_survives_its_process_as_json() -> None:
    metrics = Metrics()
    metrics.version_seconds.labels(MODEL, "2", "challenger").observe(0.5)
    seen = observed(("a", read_metrics(metrics.page().decode(), MODEL, (1, 2))))
    assert math.inf in seen.last["a"].versions[2].bounds
    assert Observation.model_validate_json(seen.model_dump_json()) == seen


def test_processes_with_different_buckets_are_not_added_up() -> None:
    one, other = (Counters(requests=1, bounds=(bound, math.inf), counts=(1, 0)) for bound in (0.1, 0.2))
    with pytest.raises(WganError, match="different buckets"):
        one.plus(other)
