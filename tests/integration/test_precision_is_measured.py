"""Precision is measured on the run's shapes, once per processor and shape; a resumed run keeps its precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.unit.training.tiny_training import CPU, Recorder, run, tiny, weights
from wgan.config import RetrainConfig
from wgan.training import execution, trial
from wgan.training.runner import Execution
from wgan.training.trial import critic_step_seconds


def test_a_resumed_run_keeps_the_precision_of_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {"float32": 2.0, "bf16": 1.0}

    def measured(config: RetrainConfig, device: torch.device, how: Execution, cache: Path | None, least: int) -> float:
        return speeds[how.precision]

    monkeypatch.setattr(execution, "critic_step_seconds", measured)
    monkeypatch.setattr(execution, "multiplies_bf16", lambda device: True)
    config = tiny(precision="auto")
    stopped = run(config, Recorder(stop_at=2), tmp_path)
    assert stopped.precision == "bf16"
    speeds["bf16"] = 9.0
    resumed = run(config, Recorder(), tmp_path, resume_from=stopped.checkpoint)
    assert (resumed.precision, resumed.execution.reason) == ("bf16", "that of the checkpoint")
    assert run(config, Recorder(), tmp_path / "new").precision == "float32"


def test_a_measurement_is_cached_for_the_same_processor_and_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = critic_step_seconds(tiny(), CPU, Execution(), tmp_path)
    assert first > 0
    monkeypatch.setattr(trial, "_measure", lambda config, device, how, least: 7.0)
    assert critic_step_seconds(tiny(lr=1e-3), CPU, Execution(), tmp_path) == first
    assert critic_step_seconds(tiny(batch_size=4), CPU, Execution(), tmp_path) == 7.0
    assert critic_step_seconds(tiny(), CPU, Execution("bf16"), tmp_path) == 7.0
    monkeypatch.setattr(trial, "device_name", lambda device: "another processor")
    assert critic_step_seconds(tiny(), CPU, Execution(), tmp_path) == 7.0


def test_measuring_does_not_change_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "multiplies_bf16", lambda device: True)
    measured = run(tiny(precision="auto"), Recorder(), tmp_path / "measured")
    assert set(measured.execution.seconds) == {"float32", "bf16"}
    asked_for = run(tiny(precision=measured.precision), Recorder(), tmp_path / "asked for")
    expected = weights(asked_for.checkpoint)
    assert all(torch.equal(value, expected[name]) for name, value in weights(measured.checkpoint).items())
