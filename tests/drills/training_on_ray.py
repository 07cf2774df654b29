"""Starts the trainings of `ray_training_process.py`, looks for their workers, and reads what they left."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import torch

from tests.drills import ray_training_process
from tests.integration.stack_commands import environment, have_ended, wait_for
from tests.unit.training.tiny_training import weights
from wgan.settings import Settings
from wgan.storage import open_storage, split_uri
from wgan.storage.checkpoints import latest_checkpoints
from wgan.tracking.runs import metric_history

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600.0
"""Seconds until something must have happened, on a loaded machine."""


@dataclass
class Training:
    """A running training process, and what it has written so far."""

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def step(self) -> int:
        """The furthest position."""
        return max(self.positions(), default=0)

    def positions(self) -> list[int]:
        """The steps that rank 0 has reported; not every one, only the newest of each second."""
        return [line["step"] for line in list(self.lines) if line["kind"] == "position"]

    def notes(self, text: str) -> list[str]:
        """The notes with this text in them."""
        return [line["note"] for line in list(self.lines) if line["kind"] == "note" and text in line["note"]]

    def wait_for_step(self, step: int) -> None:
        """Until rank 0 has reported this step."""
        wait_for(lambda: self.step >= step or self.process.poll() is not None, PATIENCE)
        assert self.process.poll() is None, self.lines[-1:]

    def wait_for_notes(self, text: str, count: int) -> None:
        wait_for(lambda: len(self.notes(text)) >= count or self.process.poll() is not None, PATIENCE)
        assert self.process.poll() is None, self.lines[-1:]

    def ended(self) -> tuple[int, dict[str, Any]]:
        """Exit code and last line, once the process has ended."""
        code = self.process.wait(PATIENCE)
        self._reader.join()
        return code, self.lines[-1]

    def processes(self) -> list[psutil.Process]:
        """Every process below this one."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> list[psutil.Process]:
        """Those that train."""
        return [process for process in self.processes() if "RayTrainWorker" in name_of(process)]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):  # others are MLflow's
                self.lines.append(json.loads(line))


def start(settings: Settings, flow_run_id: str, workers: int = 2, *more: str, **variables: str) -> Training:
    """Start, or resume, a training."""
    command = [sys.executable, ray_training_process.__file__, flow_run_id, str(workers), *more]
    own = environment(settings, PYTHONPATH=str(ROOT), **variables)
    return Training(subprocess.Popen(command, env=own, stdout=subprocess.PIPE, text=True, cwd=settings.home))


def new_flow_run() -> str:
    return str(uuid4())


def name_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return ""


def assert_gone(processes: list[psutil.Process]) -> None:
    """None of the processes that were below a training is left."""
    assert processes
    deadline = time.monotonic() + PATIENCE
    while left := [name_of(process) for process in processes if not have_ended([process])]:
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def state_of(settings: Settings, flow_run_id: str, folder: Path) -> dict[str, torch.Tensor]:
    """Networks, optimizers and history of the last checkpoint in S3."""
    folder.mkdir(exist_ok=True)
    storage = open_storage(settings)
    newest = latest_checkpoints(flow_run_id, settings, storage)[0]
    assert newest.step == ray_training_process.STEPS
    path = folder / f"{flow_run_id}.pt"
    storage.get_file(newest.key, path, newest.sha256)
    history = torch.load(path, weights_only=True)["history"]
    return weights(path) | {f"history.{name}": values for name, values in history.items()}


def assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """To the bit."""
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def metrics_of(settings: Settings, record: dict[str, Any]) -> dict[int, dict[str, float]]:
    """What MLflow has of each step, without the speed."""
    history = metric_history(settings, record["mlflow_run_id"])
    return {
        step: {name: value for name, value in values.items() if name != "images_per_second"}
        for step, values in history.items()
        if step
    }


def checkpoint_names(settings: Settings, record: dict[str, Any]) -> list[str]:
    """The checkpoints in the bucket, whether a list names them or not."""
    folder = split_uri(record["checkpoint_uri"])[1].rsplit("/", 1)[0]
    return [entry.key.rsplit("/", 1)[1] for entry in open_storage(settings).list(f"{folder}/step-")]
