"""The benchmarks run as the documents say, each shortened, and print their results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.command_line import QUICK, assigned
from tests.integration.stack_commands import environment
from wgan.config_reading import load_config
from wgan.data.prepare import prepare_dataset
from wgan.settings import Settings
from wgan.steps.train import run_training
from wgan.storage import Storage

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("train_throughput.py --only digits --rounds 1 --seconds 0.1", '"times_plain"'),
        ("scaling.py --only digits --rounds 1 --seconds 0.1", '"two_over_twice_one"'),
        ("preparation.py --images 40", "| 2 on Ray |"),
        ("data_report.py --images 400", '"near_copies"'),
        ("large_data.py --gigabytes 0.01 --seconds 0.3", '"read ahead"'),
        ("beside_other_work.py --seconds 0.3 --only own", '"two_over_alone"'),
        ("evaluate_throughput.py --count 200 --rounds 1", '"ratio"'),
        ("averages.py --steps 1 --every 1", "| decay 0.99 |"),
        ("gaussian_modes.py --seeds 0 --steps 3 --width 8", "| lr 1e-2 falling |"),
        ("evaluation_during_training.py --steps 2 --rounds 1", "| in a thread |"),
        ("warm_start.py --seeds 0 --steps 5", '"champion_fid"'),
        ("command_time.py --rounds 1", "| wgan rollback |"),
        ("growth.py --small 6 --large 12 --rounds 1", "| `wgan models MODEL --history` |"),
        ("serve_throughput.py --rounds 1 --seconds 0.1 --in-flight 64", "| wgan |"),
    ],
)
def test_a_benchmark_runs_from_the_checkout(command: str, printed: str) -> None:
    script, *options = command.split()
    done = subprocess.run(
        [sys.executable, f"tests/benchmarks/{script}", *options], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout


def test_the_weights_of_a_run_are_measured_beside_their_average(stack: Settings, storage: Storage) -> None:
    options = assigned(*QUICK, "training.generator_steps=2", "training.ema_decay=0.9", "training.lr=1e-2")
    config = load_config("digits", assignments=options[1::2])
    run = run_training(config, prepare_dataset(config.data, stack, storage), stack, storage, str(uuid4()))
    done = subprocess.run(
        [sys.executable, "tests/benchmarks/average_of_a_run.py", run.checkpoint_uri],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(stack),
    )
    assert done.returncode == 0, done.stderr
    assert "| step | weights: fid, precision, recall | average | difference of fid |" in done.stdout
    assert "| 2 | " in done.stdout
