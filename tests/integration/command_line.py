"""Run `wgan` as a user would: a process of its own, with nothing but the settings of the tests' stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from wgan.settings import Settings

QUICK = (
    "training.generator_steps=12",
    "training.log_every=1",
    "training.sample_every=6",
    "training.checkpoint_every_steps=4",
    "training.batch_size=16",
    "evaluation.sample_count=128",
    "evaluation.seeds=2",
    "evaluation.extractor=pixels",
    "networks.width=4",
    "networks.latent_dim=8",
)
"""A training of a second or two; its generator is no good, which the gate's floors are then opened for."""

OPEN_FLOORS = ("promotion.max_fid=null", "promotion.min_coverage=0", "promotion.min_modes=0", "promotion.min_recall=0")


def quick(name: str, *more: str) -> list[str]:
    """`--preset digits` shortened, registered as generator-<name>."""
    assignments = [*QUICK, *OPEN_FLOORS, f"data.name={name}", *more]
    return ["--preset", "digits", *(part for text in assignments for part in ("--set", text))]


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """The process's environment without what points at any server, plus the home folder of the stack and `more`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WGAN_", "MLFLOW_", "PREFECT_", "AWS_"))
    }
    return {**kept, "WGAN_HOME": str(settings.home), "OMP_NUM_THREADS": "2", "COLUMNS": "200", **more}


def start_wgan(settings: Settings, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start the command; output and errors are pipes. `more`: further environment variables."""
    return subprocess.Popen(
        [sys.executable, "-m", "wgan", *arguments],
        env=environment(settings, **more),
        cwd=settings.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_wgan(
    settings: Settings, *arguments: str, code: int | tuple[int, ...] = 0, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end and check its exit code, which must be `code` or one of it."""
    process = start_wgan(settings, *arguments, **more)
    out, errors = process.communicate(timeout=600)
    assert process.returncode in (code if isinstance(code, tuple) else (code,)), (
        f"exit code {process.returncode}, expected {code}\n{out}\n{errors}"
    )
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def json_of(settings: Settings, *arguments: str, code: int = 0, **more: str) -> Any:
    """Run with --json; standard output must hold one JSON value and nothing else."""
    return json.loads(run_wgan(settings, *arguments, "--json", code=code, **more).stdout)
