"""Precision and execution are chosen by measuring, once per processor and shape."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.training.tiny_training import CPU, Blobs, Recorder, tiny
from wgan.config import RetrainConfig
from wgan.errors import WganError
from wgan.training import execution, graphs, loop, memory, trial
from wgan.training.execution import choose_execution
from wgan.training.graphs import WARM_UP, CapturedStep
from wgan.training.loop import train
from wgan.training.runner import Execution
from wgan.training.trial import critic_step_seconds
from wgan.training.world import ALONE, World

CUDA = torch.device("cuda:0")


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Replaces the measurement by given seconds per precision, on a processor with bf16."""
    seconds = {"float32": 2.0, "bf16": 1.0}

    def measured(config: RetrainConfig, device: torch.device, how: Execution, cache: Path | None, least: int) -> float:
        return seconds[how.precision]

    monkeypatch.setattr(execution, "critic_step_seconds", measured)
    monkeypatch.setattr(execution, "multiplies_bf16", lambda device: True)
    return seconds


def choose(config: RetrainConfig, device: torch.device = CPU, steps: int = 100, **changes: Any) -> Execution:
    return choose_execution(
        config, device, **{"world": ALONE, "critic_steps_left": steps, "precision": None, "cache": None} | changes
    )


@pytest.mark.parametrize(("bf16", "chosen"), [(1.0, "bf16"), (1.73, "bf16"), (1.75, "float32"), (3.0, "float32")])
def test_auto_is_bf16_from_1_15_times_the_speed(bf16: float, chosen: str, speeds: dict[str, float]) -> None:
    speeds["bf16"] = bf16
    found = choose(tiny(precision="auto"))
    assert found.precision == chosen
    assert found.seconds == {"float32": 2.0, "bf16": bf16}
    assert f"bf16 is {2 / bf16:.2f} times as fast" in found.reason
    assert found.described()["seconds_per_critic_step_bf16"] == f"{bf16:.3g}"


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_an_explicit_precision_is_used_without_a_measurement(precision: str, speeds: dict[str, float]) -> None:
    found = choose(tiny(precision=precision))
    assert (found.precision, found.seconds) == (precision, {})


def test_a_processor_without_bf16_instructions_is_not_measured(
    speeds: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "multiplies_bf16", lambda device: False)
    found = choose(tiny(precision="auto"))
    assert (found.precision, found.seconds) == ("float32", {})


def test_a_damaged_measurement_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_measure", lambda config, device, how, least: 7.0)
    critic_step_seconds(tiny(), CPU, Execution(), tmp_path)
    (file,) = (tmp_path / "step-seconds").iterdir()
    for damage in ("", "[]", '{"seconds": null}', "{}"):
        file.write_text(damage)
        assert critic_step_seconds(tiny(), CPU, Execution(), tmp_path) == 7.0


def test_cuda_is_captured_except_with_several_processes_or_custom_code(speeds: dict[str, float]) -> None:
    config = tiny(precision="float32")
    assert choose(config, CUDA).captured
    assert not choose(config, CPU).captured
    assert not choose(config, CUDA, world=World(0, 2)).captured
    assert not choose(tiny(objective="my_losses:Hinge"), CUDA).captured


def test_only_long_runs_are_compiled(speeds: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "may_compile", lambda config: True)
    speeds["float32"] = 1e-3
    config = tiny(precision="float32")
    assert not choose(config, CUDA, steps=200_000).compiled
    assert choose(config, CUDA, steps=400_000).compiled
    assert not choose(config, CPU, steps=400_000).compiled


def test_double_differentiation_or_a_missing_c_compiler_prevents_compilation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/gcc" if name == "gcc" else None)
    monkeypatch.delenv("CC", raising=False)
    assert execution.may_compile(tiny())
    assert not execution.may_compile(tiny(objective="wgan-gp"))
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert not execution.may_compile(tiny())


def test_a_step_that_cannot_be_captured_runs_eagerly_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @contextmanager
    def refusing(graph: object, stream: object) -> Iterator[None]:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")
        yield

    monkeypatch.setattr(graphs.torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(graphs.torch.cuda, "graph", refusing)
    monkeypatch.setattr(graphs.torch.cuda, "current_stream", lambda: None)
    calls = []

    def step() -> dict[str, torch.Tensor]:
        calls.append(1)
        return {"loss": torch.tensor(float(len(calls)))}

    captured = CapturedStep("critic step", step)
    with caplog.at_level(logging.WARNING):
        losses = [captured()["loss"].item() for _ in range(WARM_UP + 3)]
    assert losses == [1, 2, 3, 4, 5, 6]
    (record,) = caplog.records
    assert record.getMessage() == (
        "The critic step runs without a CUDA graph, since it cannot be captured: operation not permitted when stream "
        "is capturing"
    )


@pytest.mark.parametrize(
    ("device", "fits", "advice"),
    [
        (CPU, None, "set a smaller training.batch_size or networks.width"),
        (CUDA, 96, "set training.batch_size=96"),
        (CUDA, None, "set a smaller training.batch_size or networks.width"),
    ],
)
def test_too_little_memory_is_one_sentence_with_the_batch_size_that_fits(
    device: torch.device, fits: int | None, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "batch_that_fits", lambda config, device: fits)
    message = str(memory.out_of_memory(tiny(batch_size=128), device))
    assert message == f"the memory of {device} is too small for training.batch_size=128: {advice}."


def test_torchs_error_does_not_reach_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …")

    monkeypatch.setattr(loop.StepRunner, "critic", failing)
    with pytest.raises(WganError, match=r"^the memory of cpu is too small for training\.batch_size=8") as caught:
        train(tiny(), Blobs(), "data", Recorder(), CPU, tmp_path)
    assert caught.value.__cause__ is None


def test_a_measurement_of_fewer_samples_is_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_measure", lambda config, device, how, least: 7.0)
    assert critic_step_seconds(tiny(), CPU, Execution(), tmp_path, least_samples=1) == 7.0
    assert list(tmp_path.iterdir()) == []
