"""MLflow is down for half a minute during training."""

from __future__ import annotations

from typing import Any

import pytest

from tests.drills.common_training import FIRST_CHECKPOINT, assert_whole, common, retries
from tests.drills.faulty_s3 import away
from tests.drills.faulty_stack import FaultyStack

pytestmark = pytest.mark.slow

AWAY_SECONDS = 30.0


def test_mlflow_is_down_for_30_s_in_training_and_no_metric_step_is_missing(
    faulty: FaultyStack, undisturbed: Any, record_property: pytest.RecordProperty
) -> None:
    faulty.s3.at_first(FIRST_CHECKPOINT, lambda: away(faulty.mlflow, AWAY_SECONDS, faulty.s3.outages))
    outcome = faulty.json("retrain", *common("untracked"))
    assert len(faulty.s3.outages) == 1
    again = retries(faulty, outcome["version"]["evaluation"]["training"]["flow_run_id"])
    print(f"tried again: {again}")
    record_property("retries", str(again))
    assert_whole(faulty, outcome, undisturbed)
