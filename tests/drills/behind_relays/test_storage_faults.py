"""The object store is down for half a minute in each phase, or fails for one request in five."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.drills.common_training import LAST_CHECKPOINT, assert_whole, common, retries
from tests.drills.faulty_s3 import Fault
from tests.drills.faulty_stack import FaultyStack

pytestmark = pytest.mark.slow

AWAY_SECONDS = 30.0
FAULTS: tuple[Fault, ...] = ("InternalError", "reset", "SlowDown", "half")


def test_s3_is_down_for_30_s_in_preparation_training_and_registration(
    faulty: FaultyStack, undisturbed: Any, record_property: pytest.RecordProperty
) -> None:
    faulty.s3.away_at_first(r"PUT /wgan/datasets/away/", AWAY_SECONDS)
    faulty.s3.away_at_first(LAST_CHECKPOINT, AWAY_SECONDS)
    faulty.s3.away_at_first(r"PUT /wgan/mlflow/.*/models/.*\.onnx", AWAY_SECONDS)
    started = time.monotonic()
    outcome = faulty.json("retrain", *common("away"))
    assert len(faulty.s3.outages) == 3
    again = retries(faulty, outcome["version"]["evaluation"]["training"]["flow_run_id"])
    print(f"{time.monotonic() - started:.0f} s with three outages of {AWAY_SECONDS:.0f} s; tried again: {again}")
    record_property("retries", str(again))
    assert_whole(faulty, outcome, undisturbed)


def test_one_request_in_five_fails_or_is_cut_off(
    faulty: FaultyStack, undisturbed: Any, record_property: pytest.RecordProperty
) -> None:
    faulty.s3.every_fifth(*FAULTS)
    outcome = faulty.json("retrain", *common("fifth"))
    faults, requests = dict(faulty.s3.faults), len(faulty.s3.seen)
    again = retries(faulty, outcome["version"]["evaluation"]["training"]["flow_run_id"])
    print(f"{requests} requests, of which {faults} failed; tried again: {again}")
    record_property("faults", f"{faults} of {requests}")
    assert set(faults) == set(FAULTS)
    faulty.s3.heal()
    assert_whole(faulty, outcome, undisturbed)
