"""No step waits for the device, too little memory is one sentence, and the choices for CUDA take effect."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pytest
import torch

from tests.gpu.small_run import CUDA, configured, trained
from tests.unit.training.tiny_training import Blobs
from wgan.config import RetrainConfig
from wgan.config_reading import parse_config
from wgan.errors import WganError
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.device import arithmetic
from wgan.training.execution import choose_execution
from wgan.training.graphs import WARM_UP
from wgan.training.inputs import StepInputs
from wgan.training.objectives import objective_of
from wgan.training.runner import Execution, StepRunner
from wgan.training.state import new_state
from wgan.training.world import ALONE


def runner(config: RetrainConfig, execution: Execution) -> StepRunner:
    order = DataOrder(500, config.training.batch_size, 0, ALONE)
    inputs = StepInputs(config, RealBatches(Blobs(count=500), order, CUDA), CUDA)
    return StepRunner(new_state(config, CUDA), objective_of(config.training), inputs, execution)


@pytest.mark.parametrize("objective", ["wgan", "wgan-gp", "gan"])
@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_step_does_not_wait_for_the_device(objective: str, captured: bool, precision: str) -> None:
    config = configured(objective=objective, precision=precision)
    execution = Execution("bf16" if precision == "bf16" else "float32", captured)
    with arithmetic(CUDA, tf32=True):
        steps = runner(config, execution)
        for step in range(WARM_UP + 1):
            steps.critic(step)
            steps.generator(step)
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for step in range(WARM_UP + 1, WARM_UP + 12):  # over the end of an epoch
                steps.critic(step)
                steps.generator(step)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_a_captured_step_is_a_graph_after_the_warm_up() -> None:
    with arithmetic(CUDA, tf32=True):
        steps = runner(configured(), Execution("float32", captured=True))
        for step in range(WARM_UP + 1):
            steps.critic(step)
    assert steps._critic.graph is not None  # type: ignore[attr-defined]


def test_too_little_memory_is_one_sentence_that_names_a_batch_size_that_fits(tmp_path: Path) -> None:
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(CUDA).total_memory
    limit = (torch.cuda.memory_reserved() + 2**30) / total
    values = {
        "data": {"source": "celeba", "image_size": 64, "channels": 3},
        "training": {"batch_size": 8192, "generator_steps": 5, "n_critic": 1, "precision": "bf16"},
    }
    torch.cuda.set_per_process_memory_fraction(limit)
    try:
        with pytest.raises(
            WganError, match=r"too small for training.batch_size=8192: set training.batch_size=\d+\.$"
        ) as caught:
            trained_64(parse_config(values), tmp_path)
        fits = int(re.findall(r"\d+", str(caught.value))[-1])
        print(f"\nin 1 GiB fits a batch of {fits}")
        values["training"]["batch_size"] = fits
        assert trained_64(parse_config(values), tmp_path) == 5
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def trained_64(config: RetrainConfig, folder: Path) -> int:
    from tests.unit.training.tiny_training import Recorder
    from wgan.training.loop import train

    images = Blobs(count=64, channels=3, image_size=64)
    return train(config, images, "data", Recorder(), CUDA, folder, execution=Execution("bf16", True)).generator_steps


def test_steps_are_captured_on_cuda_and_their_timings_are_stored(tmp_path: Path) -> None:
    config = configured(precision="auto")
    with arithmetic(CUDA, tf32=True):
        first = choose_execution(config, CUDA, ALONE, 100, None, tmp_path)
        again = choose_execution(config, CUDA, ALONE, 100, None, tmp_path)
    print("\n", first.described())
    assert first.captured
    assert not first.compiled  # a hundred steps are over before that pays
    assert set(first.seconds) == {"float32", "bf16"}
    assert again == first
    _, recorder = trained(config, tmp_path / "run", first)
    assert len(recorder.logged) == 20
