"""Computers whose clocks are wrong, or jump while they work (Debian's faketime; monotonic clocks stay right)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.drills import promotion_process
from tests.drills.common_training import EVERY, FIRST_CHECKPOINT, assert_whole, common
from tests.drills.faulty_stack import FaultyStack
from tests.integration.serving_process import client_of, register
from tests.integration.stack_commands import environment
from wgan.registry.promotion import promote

THIRD_CHECKPOINT = rf"PUT /wgan/checkpoints/.*/step-{3 * EVERY:08d}\.pt"
TEN_MINUTES = 600
"""S3 itself refuses clocks that are wrong by more than fifteen minutes."""


@pytest.fixture(scope="module")
def faketime() -> dict[str, str]:
    """Variables of a process with its own clock. Without it: a skip; in CI, where it is installed, a failure."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        reason = "faketime is not installed: apt-get install faketime"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    patched_sleep = Path(__file__).parent / "faketime"
    return {"LD_PRELOAD": str(libraries[0]), "DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": str(patched_sleep)}


def test_moves_stay_in_order_when_clocks_disagree(
    faulty: FaultyStack, faketime: dict[str, str], tmp_path: Path
) -> None:
    model = "generator-clocks"
    first, second = (register(faulty.settings, tmp_path, "clocks", seed).version for seed in (1, 2))
    forced = {"force": True, "reason": "a drill", "expected_champion": None}
    promote((model, first), None, faulty.settings, faulty.storage, **forced)
    ahead, behind = (faketime | {"FAKETIME": f"{seconds:+d}"} for seconds in (TEN_MINUTES, -TEN_MINUTES))
    command = [sys.executable, promotion_process.__file__, model, str(second), str(first)]
    subprocess.run(command, env=environment(faulty.settings, **faulty.variables, **ahead), check=True)
    faulty.run("rollback", model, "--reason", "a drill", **behind)

    history = faulty.json("models", model, "--history")["history"]
    moves = sorted(history, key=lambda entry: str(entry["time"]))
    assert [(entry["action"], entry["from_version"], entry["to_version"]) for entry in moves] == [
        ("promoted", None, first),
        ("promoted", first, second),
        ("rolled-back", second, first),
    ]
    times = [datetime.fromisoformat(entry["time"]) for entry in moves]
    assert times[1] - times[0] > timedelta(seconds=TEN_MINUTES - 1), "the promotion's clock was not ahead"
    assert timedelta(0) < times[2] - times[1] < timedelta(seconds=1)
    assert history in (moves, moves[::-1])
    keys = [entry.key for entry in faulty.storage.list(f"{faulty.settings.promotions_prefix}/{model}/")]
    stored = [json.loads(faulty.storage.get_bytes(key)) for key in sorted(keys)]
    assert [entry["to_version"] for entry in stored] == [first, second, first]
    assert client_of(faulty.settings).get_registered_model(model).aliases["champion"] == str(first)


@pytest.mark.parametrize(("seconds", "words"), [(-3600, "60 minutes behind"), (3600, "60 minutes ahead of")])
def test_a_clock_too_wrong_for_signatures_is_reported(
    seconds: int, words: str, faulty: FaultyStack, faketime: dict[str, str]
) -> None:
    ended = faulty.run("data", "list", code=1, **faketime, FAKETIME=f"{seconds:+d}")
    (sentence,) = ended.stderr.strip().splitlines()
    assert f"this computer's clock is {words} the store's; correct it" in sentence


def test_a_training_continues_when_the_clock_jumps_ahead_and_back(
    faulty: FaultyStack, undisturbed: Any, faketime: dict[str, str], tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    faulty.s3.at_first(FIRST_CHECKPOINT, lambda: clock.write_text(f"+{TEN_MINUTES}") and None)
    faulty.s3.at_first(THIRD_CHECKPOINT, lambda: clock.write_text(f"-{TEN_MINUTES}") and None)
    variables = faketime | {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1"}
    outcome = faulty.json("retrain", *common("clock"), **variables)
    assert clock.read_text() == f"-{TEN_MINUTES}"
    assert_whole(faulty, outcome, undisturbed)
