"""A checkpoint is damaged in the store before the training resumes from it."""

from __future__ import annotations

import signal
from json import loads
from typing import Any

from tests.drills.common_training import FIRST_CHECKPOINT, assert_whole, common, flow_run_of
from tests.drills.faulty_stack import FaultyStack


def test_after_a_corrupted_checkpoint_the_one_before_is_used_with_a_warning(
    faulty: FaultyStack, undisturbed: Any
) -> None:
    faulty.s3.at_first(FIRST_CHECKPOINT, lambda: process.send_signal(signal.SIGTERM))
    process = faulty.start("retrain", *common("damaged"))
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130, errors
    flow_run = flow_run_of(errors)
    newest, before = faulty.checkpoints(flow_run)
    good = faulty.storage.get_bytes(newest.key)
    middle = len(good) // 2
    faulty.storage.put_bytes(newest.key, good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])

    resumed = faulty.start("retrain", "--resume", flow_run, "--json")
    out, errors = resumed.communicate(timeout=600)
    assert resumed.returncode == 0, errors
    said = " ".join(errors.split())
    assert f"step {newest.step} is damaged, the one before is used" in said
    assert f"training: step {before.step:,} of " in said
    assert_whole(faulty, loads(out), undisturbed)
