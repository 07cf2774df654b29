"""Twenty generator steps, a hundred critic steps, on CUDA in every way they can be executed: the same training.

Weights are compared by the distance between two runs, relative to how far a run came from its start: RMSProp moves a
weight whose gradient is pure rounding by as much as any other, so that weights are never equal one by one. Runs with
other noise, for comparison, are apart by 5e-2 in the estimate, 4e-2 in the generator and 2e-2 in the critic.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.gpu.small_run import CPU, CUDA, configured, deviation, series, trained
from wgan.config import RetrainConfig
from wgan.training.checkpoint import load_history
from wgan.training.runner import Execution
from wgan.training.state import new_state
from wgan.training.streams import Purpose, normal

EAGER, CAPTURED = Execution("float32"), Execution("float32", captured=True)
BY_ROUNDING = {"estimate": 5e-3, "generator": 1e-2, "critic": 2e-3}
BY_BF16 = {"estimate": 4e-2, "generator": 4e-2, "critic": 2e-2}


@pytest.fixture
def noise_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise is drawn where the training runs, from another generator on each kind of device: here from the CPU's."""

    def fill(values: Tensor, seed: int, purpose: Purpose, rank: int, step: int) -> Tensor:
        return values.copy_(normal(tuple(values.shape), CPU, seed, purpose, rank, step))

    monkeypatch.setattr("wgan.training.inputs.fill_normal", fill)


def assert_near(found: dict[str, float], tolerances: dict[str, float]) -> None:
    assert {name: value for name, value in found.items() if not value < tolerances[name]} == {}


def weights(checkpoint: Path, part: str) -> torch.Tensor:
    content = torch.load(checkpoint, weights_only=True, map_location="cpu")[part]
    return torch.cat([tensor.float().flatten() for name, tensor in content.items() if "num_batches" not in name])


def at_start(config: RetrainConfig, part: str) -> torch.Tensor:
    content = getattr(new_state(config, CPU), part).state_dict()
    return torch.cat([tensor.float().flatten() for name, tensor in content.items() if "num_batches" not in name])


def apart(config: RetrainConfig, ours: Path, theirs: Path, part: str) -> float:
    """Distance of two runs' weights, over how far the second came from its start."""
    first, second, start = weights(ours, part), weights(theirs, part), at_start(config, part)
    return float((first - second).norm() / (second - start).norm())


def compared(config: RetrainConfig, ours: Path, theirs: Path, record: pytest.FixtureRequest) -> dict[str, float]:
    """Every deviation between two runs; printed, so that the tolerances can be judged."""
    first, second = load_history(ours), load_history(theirs)
    found = {"estimate": deviation(first["wasserstein_estimate"], second["wasserstein_estimate"])}
    found |= {part: apart(config, ours, theirs, part) for part in ("generator", "critic")}
    print(f"\n{record.node.name}:", {name: f"{value:.2e}" for name, value in found.items()})
    return found


@pytest.mark.usefixtures("noise_of_the_cpu")
def test_float32_on_cuda_is_float32_on_the_cpu(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = configured()
    ours, _ = trained(config, tmp_path / "cuda", EAGER)
    theirs, _ = trained(config, tmp_path / "cpu", EAGER, CPU)
    found = compared(config, ours.checkpoint, theirs.checkpoint, request)
    assert_near(found, BY_ROUNDING)


@pytest.mark.parametrize("objective", ["wgan", "wgan-gp", "gan"])
@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_captured_steps_equal_eager_ones(
    objective: str, optimizer: str, tmp_path: Path, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(objective=objective, optimizer=optimizer)
    with caplog.at_level(logging.WARNING):
        ours, _ = trained(config, tmp_path / "captured", CAPTURED)
    assert not caplog.records  # no step fell back to eager
    theirs, _ = trained(config, tmp_path / "eager", EAGER)
    name = "critic_loss"
    first, second = load_history(ours.checkpoint)[name], load_history(theirs.checkpoint)[name]
    found = {name: deviation(first, second)}
    found |= {part: apart(config, ours.checkpoint, theirs.checkpoint, part) for part in ("generator", "critic")}
    print(f"\n{request.node.name}:", {name: f"{value:.2e}" for name, value in found.items()})
    tolerance = 1e-2 if objective == "wgan" else 6e-2
    assert max(found.values()) < tolerance


def test_compiled_and_captured_steps_equal_eager_ones(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = configured()
    ours, _ = trained(config, tmp_path / "both", Execution("float32", captured=True, compiled=True))
    theirs, _ = trained(config, tmp_path / "eager", EAGER)
    found = compared(config, ours.checkpoint, theirs.checkpoint, request)
    assert_near(found, BY_ROUNDING)


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_captured_steps_follow_a_schedule_and_keep_an_average(
    optimizer: str, tmp_path: Path, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(optimizer=optimizer, lr_schedule="linear", ema_decay=0.9)
    with caplog.at_level(logging.WARNING):
        ours, _ = trained(config, tmp_path / "captured", CAPTURED)
    assert not caplog.records  # no step fell back to eager
    theirs, _ = trained(config, tmp_path / "eager", EAGER)
    parts = ("generator", "critic")
    found = {part: apart(config, ours.checkpoint, theirs.checkpoint, part) for part in parts}
    first, second = weights(ours.checkpoint, "average"), weights(theirs.checkpoint, "average")
    moved = second - at_start(config, "generator")
    found["average"] = float((first - second).norm() / moved.norm())
    print(f"\n{request.node.name}:", {name: f"{value:.2e}" for name, value in found.items()})
    assert max(found.values()) < 1e-2


@pytest.mark.parametrize("execution", [Execution("bf16"), Execution("bf16", captured=True)])
def test_bf16_is_near_float32(execution: Execution, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = configured()
    ours, _ = trained(configured(precision="bf16"), tmp_path / "bf16", execution)
    theirs, _ = trained(config, tmp_path / "float32", EAGER)
    found = compared(config, ours.checkpoint, theirs.checkpoint, request)
    assert_near(found, BY_BF16)


@pytest.mark.parametrize("execution", [EAGER, CAPTURED])
def test_a_resumed_run_equals_the_uninterrupted_one(
    execution: Execution, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    config = configured()
    whole, _ = trained(config, tmp_path / "whole", execution)
    stopped, _ = trained(config, tmp_path / "parts", execution, stop_at=9)
    assert (stopped.stopped, stopped.generator_steps) == (True, 9)
    resumed, _ = trained(config, tmp_path / "parts", execution, resume_from=stopped.checkpoint)
    found = compared(config, resumed.checkpoint, whole.checkpoint, request)
    assert_near(found, BY_ROUNDING)


@pytest.mark.usefixtures("noise_of_the_cpu")
def test_a_run_resumes_from_the_cpu_on_cuda_and_back(tmp_path: Path) -> None:
    config = configured()
    first, _ = trained(config, tmp_path / "a", EAGER, CPU, stop_at=2)
    second, _ = trained(config, tmp_path / "a", CAPTURED, CUDA, resume_from=first.checkpoint, stop_at=16)
    last, recorder = trained(config, tmp_path / "a", EAGER, CPU, resume_from=second.checkpoint)
    whole, reference = trained(config, tmp_path / "b", EAGER, CPU)
    assert last.generator_steps == whole.generator_steps
    ours, theirs = (series(told, "wasserstein_estimate")[-2:] for told in (recorder, reference))
    print(f"\nthere and back: {deviation(ours, theirs):.2e}")
    assert deviation(ours, theirs) < 1e-2
