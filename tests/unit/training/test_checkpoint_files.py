"""A checkpoint is intact or refused in a sentence with a remedy."""

from __future__ import annotations

import math
import os
import resource
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.refusals import read_or_refused
from tests.unit.training.tiny_training import CPU, Recorder, run, tiny
from wgan.errors import CheckpointError, TrainingDiverged
from wgan.training.checkpoint import (
    checkpoint_path,
    load_checkpoint,
    load_generator,
    load_history,
    load_run,
    prune_checkpoints,
    save_checkpoint,
)
from wgan.training.checkpoint_content import FIELDS
from wgan.training.state import new_state


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tiny(generator_steps=2), Recorder(), tmp_path_factory.mktemp("run")).checkpoint


def refusal(path: Path, digest: str = "data", **training: object) -> str:
    config = tiny(**{"generator_steps": 2} | training)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, new_state(config, CPU), config, digest)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    return message


def test_a_generator_loads_from_the_checkpoint_alone(checkpoint: Path) -> None:
    generator = load_generator(checkpoint)
    assert not generator.training
    assert (generator.channels, generator.image_size, generator.width, generator.latent_dim) == (1, 32, 4, 6)
    saved = torch.load(checkpoint, weights_only=True)["generator"]
    assert all(torch.equal(tensor, saved[name]) for name, tensor in generator.state_dict().items())


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    assert "there is no checkpoint" in refusal(tmp_path / "step-00000009.pt")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_truncated_checkpoint_is_refused(checkpoint: Path, tmp_path: Path, kept: float) -> None:
    content, half = checkpoint.read_bytes(), tmp_path / "half.pt"
    half.write_bytes(content[: int(len(content) * kept)])
    assert "damaged" in refusal(half)


def test_a_flipped_bit_in_a_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    content, flipped = bytearray(checkpoint.read_bytes()), tmp_path / "flipped.pt"
    weight = torch.load(checkpoint, weights_only=True)["generator"]["layers.0.weight"]
    content[content.index(bytes(weight.untyped_storage()))] ^= 1  # not in the container's padding, which nothing reads
    flipped.write_bytes(content)
    assert "damaged" in refusal(flipped)


class Code:
    """Code that reading a checkpoint must not run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 1",)


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path: Path) -> None:
    torch.save({"format": Code()}, tmp_path / "code.pt")
    assert "damaged" in refusal(tmp_path / "code.pt")


def test_another_torch_file_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    assert "damaged" in refusal(tmp_path / "other.pt")


def test_other_data_is_refused(checkpoint: Path) -> None:
    message = refusal(checkpoint, digest="f" * 64)
    assert "data data, this run has ffffffffffff" in message
    assert "start a new run" in message


def test_a_changed_setting_that_affects_the_numbers_is_refused_with_both_values(checkpoint: Path) -> None:
    assert "training.lr=5e-05, this run has 0.001" in refusal(checkpoint, lr=1e-3)


def test_a_setting_that_does_not_affect_the_numbers_may_change(checkpoint: Path) -> None:
    config = tiny(generator_steps=9, log_every=7, keep_checkpoints=5)
    state = new_state(config, CPU)
    load_checkpoint(checkpoint, state, config, "data")
    assert state.generator_steps == 2


def test_a_checkpoint_past_the_end_of_the_run_is_refused(checkpoint: Path) -> None:
    assert "past this run's training.generator_steps=1" in refusal(checkpoint, generator_steps=1)


@pytest.mark.parametrize("network", ["generator", "critic"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_weight_that_is_not_finite_is_never_saved(network: str, bad: float, tmp_path: Path) -> None:
    state = new_state(tiny(), CPU)
    save_checkpoint(tmp_path, state, tiny(), "data")
    good = checkpoint_path(tmp_path, 0).read_bytes()
    with torch.no_grad():
        next(getattr(state, network).parameters())[0, 0, 0, 0] = bad
    with pytest.raises(TrainingDiverged, match=f"a {network} weight is NaN or infinite at generator step 0"):
        save_checkpoint(tmp_path, state, tiny(), "data")
    assert checkpoint_path(tmp_path, 0).read_bytes() == good
    assert len(list(tmp_path.iterdir())) == 1


def test_a_disk_error_is_reported_and_nothing_is_left_behind(tmp_path: Path) -> None:
    checkpoint_path(tmp_path, 0).mkdir()  # the rename onto a folder fails
    with pytest.raises(CheckpointError, match="could not be written"):
        save_checkpoint(tmp_path, new_state(tiny(), CPU), tiny(), "data")
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000000.pt"]


def test_pruning_removes_partial_files_of_a_killed_attempt(tmp_path: Path) -> None:
    (tmp_path / "step-00000003.partial").touch()
    prune_checkpoints(tmp_path, keep=2, generator_steps=10)
    assert list(tmp_path.iterdir()) == []


def test_pruning_keeps_the_newest_other_files_and_later_steps(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10, 200):
        checkpoint_path(tmp_path, step).touch()
    (tmp_path / "latest.json").touch()
    prune_checkpoints(tmp_path, keep=2, generator_steps=10)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "latest.json", "step-00000003.pt", "step-00000010.pt", "step-00000200.pt",
    ]  # fmt: skip


def rewritten(checkpoint: Path, path: Path, **fields: object) -> Path:
    """The checkpoint with other fields."""
    torch.save(torch.load(checkpoint, weights_only=True) | fields, path)
    return path


@pytest.mark.parametrize("network", ["generator", "critic"])
def test_a_weight_that_is_not_finite_is_neither_measured_nor_resumed(
    checkpoint: Path, tmp_path: Path, network: str
) -> None:
    weights = torch.load(checkpoint, weights_only=True)[network]
    name = next(iter(weights))
    weights[name] = torch.full_like(weights[name], math.nan)
    forged = rewritten(checkpoint, tmp_path / "nan.pt", **{network: weights})
    assert "holds a weight that is NaN or infinite" in refusal(forged)
    if network == "generator":
        with pytest.raises(CheckpointError, match="holds a weight that is NaN or infinite"):
            load_generator(forged)


def test_a_forged_width_allocates_nothing(checkpoint: Path, tmp_path: Path) -> None:
    config = torch.load(checkpoint, weights_only=True)["config"]
    config["networks"] |= {"width": 512, "latent_dim": 4096}
    forged = rewritten(checkpoint, tmp_path / "wide.pt", config=config)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match=r"its weights are not those of networks\.width=512"):
        load_generator(forged)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024, "KiB"


def test_a_tensor_larger_than_its_storage_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    history = {"critic_loss": torch.zeros(1).expand(10**10)}
    assert "damaged" in refusal(rewritten(checkpoint, tmp_path / "endless.pt", history=history, generator_steps=10**10))


def test_a_compressed_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with ZipFile(checkpoint) as whole, ZipFile(tmp_path / "packed.pt", "w", ZIP_DEFLATED) as packed:
        for entry in whole.infolist():
            packed.writestr(entry.filename, whole.read(entry))
        packed.writestr("archive/data/999", bytes(2**26))
    assert "damaged (BadZipFile)" in refusal(tmp_path / "packed.pt")


def test_a_pickle_that_allocates_memory_is_refused(tmp_path: Path) -> None:
    torch.save({"format": bytearray(8)}, tmp_path / "bytes.pt")
    assert "damaged (BadZipFile)" in refusal(tmp_path / "bytes.pt")


def test_cyclic_containers_are_not_walked_for_ever(checkpoint: Path, tmp_path: Path) -> None:
    tower: list[object] = []
    for _ in range(60):
        tower = [tower, tower]
    assert "damaged (ValueError)" in refusal(
        rewritten(checkpoint, tmp_path / "tower.pt", critic_optimizer={"a": tower})
    )


def test_averages_of_another_shape_are_refused_before_the_next_step(checkpoint: Path, tmp_path: Path) -> None:
    optimizer = torch.load(checkpoint, weights_only=True)["critic_optimizer"]
    optimizer["state"][0]["square_avg"] = torch.zeros(3)
    assert "damaged" in refusal(rewritten(checkpoint, tmp_path / "averages.pt", critic_optimizer=optimizer))


STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(torch.zeros(2)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@given(name=st.sampled_from([*FIELDS, "format", "plugins", "precision"]), value=STRANGE)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_checkpoint_with_any_field_value_is_read_or_refused_in_one_sentence(
    checkpoint: Path, tmp_path: Path, name: str, value: object
) -> None:
    forged = rewritten(checkpoint, tmp_path / "strange.pt", **{name: value})
    require_read_or_refused(forged)


@given(data=st.data(), name=st.sampled_from(["config", "generator", "critic_optimizer", "history"]), value=STRANGE)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_checkpoint_with_any_nested_value_is_read_or_refused_in_one_sentence(
    checkpoint: Path, tmp_path: Path, data: st.DataObject, name: str, value: object
) -> None:
    field = torch.load(checkpoint, weights_only=True)[name]
    inside = field
    while isinstance(key := data.draw(st.sampled_from(sorted(inside, key=str))), str | int):
        if not isinstance(inside[key], dict) or data.draw(st.booleans()):
            inside[key] = value
            break
        inside = inside[key]
    require_read_or_refused(rewritten(checkpoint, tmp_path / "strange.pt", **{name: field}))


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_checkpoint_with_any_changed_byte_is_read_or_refused_in_one_sentence(
    checkpoint: Path, tmp_path: Path, data: st.DataObject
) -> None:
    with ZipFile(checkpoint) as whole, ZipFile(tmp_path / "other.pt", "w") as other:
        for entry in whole.infolist():
            content = bytearray(whole.read(entry))
            if entry.filename.endswith(".pkl"):
                for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
                    content[place] = data.draw(st.integers(0, 255))
            other.writestr(entry.filename, bytes(content))
    require_read_or_refused(tmp_path / "other.pt")


def require_read_or_refused(path: Path) -> None:
    config = tiny(generator_steps=2)
    for read in (
        load_generator,
        load_run,
        load_history,
        lambda path: load_checkpoint(path, new_state(config, CPU), config, "data"),
    ):
        with read_or_refused():
            read(path)
