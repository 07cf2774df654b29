"""Training on several ranks: the same weights everywhere, and the numbers of one process with all their batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import BatchNorm2d

from tests.integration.training_of_ranks import on_ranks
from tests.unit.training.tiny_training import CPU, Blobs, Recorder, tiny, weights
from wgan.config import RetrainConfig
from wgan.errors import CheckpointError, TrainingDiverged
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.checkpoint import load_history
from wgan.training.inputs import StepInputs
from wgan.training.loop import TrainingResult, train
from wgan.training.objectives import objective_of
from wgan.training.state import TrainingState, new_state
from wgan.training.synchronised_norm import synchronise_batch_norms
from wgan.training.world import World

SPEED = "images_per_second"


def train_ranks(
    config: RetrainConfig, folder: Path, size: int = 2, stop_at: int | None = None, resume_from: Path | None = None
) -> tuple[list[Recorder], list[TrainingResult]]:
    """Train on the ranks; the last one is asked to stop at the generator step `stop_at`."""
    observers = [Recorder(stop_at=stop_at if rank == size - 1 else None) for rank in range(size)]

    def work(world: World) -> TrainingResult:
        own = folder / f"rank-{world.rank}"
        own.mkdir(parents=True, exist_ok=True)
        return train(config, Blobs(), "data", observers[world.rank], CPU, own, resume_from, world)

    return observers, on_ranks(size, work)


def one_process_with_all_batches(config: RetrainConfig, size: int) -> dict[str, torch.Tensor]:
    """The networks after training in one process on the mean loss over the batches of all ranks, and the losses."""
    training = config.training
    state, objective = new_state(config, CPU), objective_of(training)
    inputs = []
    for rank in range(size):
        world = World(rank, size)
        order = DataOrder(40, training.batch_size, training.seed, world)
        inputs.append(StepInputs(config, RealBatches(Blobs(), order, CPU), CPU, world))
    losses = []
    for step in range(training.generator_steps):
        for critic_step in range(step * training.n_critic, (step + 1) * training.n_critic):
            state.critic_optimizer.zero_grad()
            loss = torch.tensor(0.0)
            for each in inputs:
                each.draw_for_critic(critic_step)
                with torch.no_grad():
                    fake = state.generator(each.critic_noise)
                loss = loss + objective.critic_loss(state.critic, each.real(), fake, each.epsilon)[0] / size
            loss.backward()  # type: ignore[no-untyped-call]
            state.critic_optimizer.step()
            objective.constrain(state.critic)
        losses.append(loss.detach())
        state.generator_optimizer.zero_grad()
        loss = torch.tensor(0.0)
        for each in inputs:
            each.draw_for_generator(step)
            loss = loss + objective.generator_loss(state.critic(state.generator(each.generator_noise))) / size
        loss.backward()  # type: ignore[no-untyped-call]
        state.generator_optimizer.step()
    trained = {f"generator.{name}": value for name, value in state.generator.state_dict().items()}
    trained |= {f"critic.{name}": value for name, value in state.critic.state_dict().items()}
    return trained | {"critic_loss": torch.stack(losses)}


def distance(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], config: RetrainConfig) -> float:
    """Of the weights, relative to how far training moved them from where they began."""
    state = new_state(config, CPU)
    names = [(f"{part}.{name}", value) for part in ("generator", "critic") for name, value in weights_of(state, part)]
    apart = sum(float(torch.square(found[name] - expected[name]).sum()) for name, _ in names)
    moved = sum(float(torch.square(expected[name] - begun).sum()) for name, begun in names)
    return (apart / moved) ** 0.5


def weights_of(state: TrainingState, part: str) -> list[tuple[str, torch.Tensor]]:
    return [(name, parameter.detach()) for name, parameter in getattr(state, part).named_parameters()]


@pytest.mark.parametrize(("size", "objective"), [(2, "wgan"), (3, "wgan"), (2, "wgan-gp"), (2, "gan")])
def test_ranks_equal_one_process_that_averages_the_gradients_of_all_their_batches(
    size: int, objective: str, tmp_path: Path
) -> None:
    config = tiny(workers=size, objective=objective, lr=1e-4)
    _, results = train_ranks(config, tmp_path, size)
    expected = one_process_with_all_batches(config, size)
    assert distance(weights(results[0].checkpoint), expected, config) < 1e-3  # RMSProp amplifies rounding
    history = load_history(results[0].checkpoint)["critic_loss"]
    np.testing.assert_allclose(history, expected["critic_loss"].numpy(), rtol=1e-4)


def test_a_group_of_one_rank_equals_a_process_alone_to_the_bit(tmp_path: Path) -> None:
    (observer,), (result,) = train_ranks(tiny(), tmp_path, size=1)
    alone = Recorder()
    (tmp_path / "alone").mkdir()
    expected = train(tiny(), Blobs(), "data", alone, CPU, tmp_path / "alone")
    ours, theirs = weights(result.checkpoint), weights(expected.checkpoint)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    for step, values in alone.logged.items():
        assert {**observer.logged[step], SPEED: 0} == {**values, SPEED: 0}


def test_all_ranks_stop_at_the_step_at_which_one_is_asked_to(tmp_path: Path) -> None:
    observers, results = train_ranks(tiny(workers=2), tmp_path, stop_at=3)
    assert [(result.stopped, result.generator_steps) for result in results] == [(True, 3), (True, 3)]
    assert observers[0].checkpoints[-1][0] == 3
    assert observers[1].checkpoints == []


@pytest.mark.parametrize("synchronised", [False, True])
def test_a_stopped_and_resumed_training_of_ranks_equals_the_uninterrupted_one(
    synchronised: bool, tmp_path: Path
) -> None:
    config = tiny(workers=2, synchronise_batch_norm=synchronised)
    whole, expected = train_ranks(config, tmp_path / "whole")
    before, stopped = train_ranks(config, tmp_path / "parts", stop_at=3)
    after, resumed = train_ranks(config, tmp_path / "parts", resume_from=stopped[0].checkpoint)
    ours, theirs = weights(resumed[0].checkpoint), weights(expected[0].checkpoint)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    together = before[0].logged | after[0].logged
    assert {step: {**values, SPEED: 0} for step, values in together.items()} == {
        step: {**values, SPEED: 0} for step, values in whole[0].logged.items()
    }


def test_a_checkpoint_of_another_number_of_workers_is_refused_with_the_reason(tmp_path: Path) -> None:
    _, stopped = train_ranks(tiny(workers=2), tmp_path, stop_at=2)
    with pytest.raises(CheckpointError, match=r"was trained with training\.workers=2, this run has 3"):
        train(tiny(workers=3), Blobs(), "data", Recorder(), CPU, tmp_path, stopped[0].checkpoint, World(0, 3))


def test_an_infinity_on_one_rank_ends_all_of_them_at_the_same_step(tmp_path: Path) -> None:
    config = tiny(workers=2)
    _, stopped = train_ranks(config, tmp_path, stop_at=2)
    good, poisoned = stopped[0].checkpoint, tmp_path / "poisoned.pt"
    content = torch.load(good, weights_only=True)
    content["critic"]["layers.0.weight"][0] = 3e38  # finite, as a checkpoint must be; what it is multiplied with is not
    torch.save(content, poisoned)

    def work(world: World) -> str:
        path = poisoned if world.rank == 1 else good
        with pytest.raises(TrainingDiverged) as caught:
            train(config, Blobs(), "data", Recorder(), CPU, tmp_path / f"rank-{world.rank}", path, world)
        return str(caught.value)

    sentences = on_ranks(2, work)
    assert sentences[0] == sentences[1]
    assert "generator step 3" in sentences[0]


def test_synchronised_ranks_equal_one_process_with_a_batch_of_all_their_images() -> None:
    inputs = torch.randn(12, 4, 5, 5, generator=torch.Generator().manual_seed(1)) * 3 + 2
    directions = torch.randn(12, 4, 5, 5, generator=torch.Generator().manual_seed(2))

    def fresh() -> torch.nn.Sequential:
        norm = BatchNorm2d(4)
        with torch.no_grad():
            norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0, 0.5]))
            norm.bias.copy_(torch.tensor([0.0, 1.0, 2.0, -1.0]))
        return torch.nn.Sequential(norm)

    plain, whole = fresh(), inputs.clone().requires_grad_()
    expected = plain(whole)
    (torch.square(expected) * directions).mean().backward()

    def work(world: World) -> dict[str, torch.Tensor]:
        network, own = fresh(), slice(world.rank * 6, world.rank * 6 + 6)
        synchronise_batch_norms(network, world)
        part = inputs[own].clone().requires_grad_()
        outputs = network(part)
        (torch.square(outputs) * directions[own]).mean().backward()
        gradients = [parameter.grad for parameter in network.parameters()]
        world.reduce([gradient for gradient in gradients if gradient is not None])
        assert part.grad is not None
        found = {"outputs": outputs.detach(), "input": part.grad / world.size, **network.state_dict()}
        return found | {
            f"grad.{name}": value.grad for name, value in network.named_parameters() if value.grad is not None
        }

    ranks = on_ranks(2, work)
    close = torch.testing.assert_close
    close(torch.cat([rank["outputs"] for rank in ranks]), expected.detach(), rtol=1e-4, atol=1e-5)
    assert whole.grad is not None
    close(torch.cat([rank["input"] for rank in ranks]), whole.grad, rtol=1e-4, atol=1e-6)
    for rank in ranks:
        for name, value in plain.state_dict().items():
            close(rank[name], value, rtol=1e-5, atol=1e-6)
        for name, parameter in plain.named_parameters():
            assert parameter.grad is not None
            close(rank[f"grad.{name}"], parameter.grad, rtol=1e-4, atol=1e-6)
