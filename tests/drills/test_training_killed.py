"""SIGKILL at random generator steps, then resume: the numbers are those of the undisturbed run."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from tests.drills import training_process
from tests.unit.training.tiny_training import weights

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10


def start(folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, training_process.__file__, str(folder)], env=environment)


def logged(folder: Path) -> list[dict[str, Any]]:
    """The whole lines; a kill may have cut the last one short."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}") and line.startswith('{"step"')]


def without_speed(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "images_per_second"}


def test_a_training_killed_at_random_steps_ends_with_the_bits_of_the_undisturbed_one(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir()
    killed.mkdir()
    assert start(undisturbed).wait(timeout=300) == 0

    seed = random.SystemRandom().randrange(1_000_000)
    print(f"kill steps drawn with seed {seed}")
    steps = sorted(random.Random(seed).sample(range(2, training_process.STEPS - 5), KILLS))
    for step in steps:
        process = start(killed)
        try:
            deadline = time.monotonic() + 300
            while max((line["step"] for line in logged(killed)), default=0) < step:
                assert process.poll() is None, f"the training ended before step {step}"
                assert time.monotonic() < deadline
                time.sleep(0.002)
        finally:
            process.kill()
            process.wait()
    assert start(killed).wait(timeout=300) == 0

    attempts = (killed / "attempts.txt").read_text().split()
    assert len(attempts) == KILLS + 1
    assert attempts[-1] != "start", "no attempt resumed: nothing was drilled"

    last = f"step-{training_process.STEPS:08d}.pt"
    expected, actual = weights(undisturbed / last), weights(killed / last)
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)

    # Steps between a checkpoint and a kill come twice, with the same numbers; none is missing.
    reference = {line["step"]: without_speed(line) for line in logged(undisturbed)}
    assert sorted(reference) == list(range(1, training_process.STEPS + 1))
    for line in logged(killed):
        assert without_speed(line) == reference[line["step"]]
    assert {line["step"] for line in logged(killed)} == set(reference)
    content = [torch.load(folder / last, weights_only=True)["history"] for folder in (undisturbed, killed)]
    assert content[0].keys() == content[1].keys()
    assert all(torch.equal(content[0][name], content[1][name]) for name in content[0])
