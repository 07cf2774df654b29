"""The loop from outside: what is reported when, what a result contains, and that an interruption changes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unit.training.tiny_training import CPU, Blobs, Recorder, run, tiny, weights
from wgan.errors import TrainingDiverged
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.checkpoint import checkpoint_path, load_history
from wgan.training.loop import train
from wgan.training.objectives import WeightClipping
from wgan.training.state import new_state
from wgan.training.steps import critic_step, generator_step
from wgan.training.streams import Purpose, normal
from wgan.training.world import World

SPEED = "images_per_second"


def equal(first: Path, second: Path) -> bool:
    ours, theirs = weights(first), weights(second)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def without_speed(logged: dict[int, dict[str, float]]) -> dict[int, dict[str, float]]:
    return {step: {name: v for name, v in values.items() if name != SPEED} for step, values in logged.items()}


def test_a_run_repeats_itself_to_the_bit(tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    assert equal(run(tiny(), first, tmp_path / "a").checkpoint, run(tiny(), second, tmp_path / "b").checkpoint)
    assert without_speed(first.logged) == without_speed(second.logged)


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    one, other = run(tiny(seed=1), Recorder(), tmp_path / "a"), run(tiny(seed=2), Recorder(), tmp_path / "b")
    assert not equal(one.checkpoint, other.checkpoint)


@pytest.mark.parametrize("objective", ["wgan", "wgan-gp", "gan"])
@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_a_stopped_and_resumed_run_equals_the_uninterrupted_one(objective: str, optimizer: str, tmp_path: Path) -> None:
    config = tiny(objective=objective, optimizer=optimizer, checkpoint_every_steps=1000)
    whole, before, after = Recorder(), Recorder(stop_at=4), Recorder()
    expected = run(config, whole, tmp_path / "whole")
    stopped = run(config, before, tmp_path / "parts")
    assert (stopped.stopped, stopped.generator_steps) == (True, 4)
    resumed = run(config, after, tmp_path / "parts", resume_from=stopped.checkpoint)
    assert (resumed.stopped, resumed.generator_steps) == (False, 6)
    assert equal(resumed.checkpoint, expected.checkpoint)
    assert without_speed(before.logged | after.logged) == without_speed(whole.logged)
    assert (sorted(before.logged), sorted(after.logged)) == ([1, 2, 3, 4], [5, 6])
    assert np.array_equal(after.grids[6], whole.grids[6])
    assert resumed.wasserstein_estimate == expected.wasserstein_estimate
    # From the time in the checkpoint on: `stopped.seconds` also has the time that saving it took.
    assert resumed.seconds > torch.load(stopped.checkpoint, weights_only=True)["seconds"] > 0


def test_a_resumed_run_continues_the_average_of_the_weights(tmp_path: Path) -> None:
    config = tiny(ema_decay=0.9)
    whole = run(config, Recorder(), tmp_path / "whole")
    stopped = run(config, Recorder(stop_at=3), tmp_path / "parts")
    resumed = run(config, Recorder(), tmp_path / "parts", resume_from=stopped.checkpoint)
    ours, theirs = (torch.load(result.checkpoint, weights_only=True)["average"] for result in (resumed, whole))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_checkpoints_by_the_clock_do_not_change_the_numbers(tmp_path: Path) -> None:
    often = run(tiny(checkpoint_every_seconds=1e-9), Recorder(), tmp_path / "often")
    assert equal(often.checkpoint, run(tiny(), Recorder(), tmp_path / "seldom").checkpoint)


def test_logging_and_sampling_intervals_do_not_change_the_numbers(tmp_path: Path) -> None:
    often = run(tiny(log_every=1, sample_every=1), Recorder(), tmp_path / "often")
    seldom = run(tiny(log_every=100, sample_every=100), Recorder(), tmp_path / "seldom")
    assert equal(often.checkpoint, seldom.checkpoint)
    assert often.wasserstein_estimate == seldom.wasserstein_estimate


def test_the_clock_makes_checkpoints_due(tmp_path: Path) -> None:
    observer = Recorder()
    run(tiny(checkpoint_every_steps=1000, checkpoint_every_seconds=1e-9), observer, tmp_path)
    assert [step for step, _ in observer.checkpoints] == [1, 2, 3, 4, 5, 6]


def test_metrics_samples_and_checkpoints_come_at_their_intervals_and_at_the_last_step(tmp_path: Path) -> None:
    observer = Recorder()
    config = tiny(generator_steps=7, log_every=2, sample_every=3, checkpoint_every_steps=5)
    result = run(config, observer, tmp_path)
    assert list(observer.logged) == [2, 4, 6, 7]
    assert list(observer.grids) == [3, 6, 7]
    assert [step for step, _ in observer.checkpoints] == [5, 7]
    assert result.checkpoint == observer.checkpoints[-1][1] == checkpoint_path(tmp_path, 7)
    assert observer.asked == 7


def test_only_the_newest_checkpoints_stay(tmp_path: Path) -> None:
    run(tiny(checkpoint_every_steps=1, keep_checkpoints=3), Recorder(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-0000000{step}.pt" for step in (4, 5, 6)]


def test_a_stop_at_the_last_step_is_a_finished_run(tmp_path: Path) -> None:
    assert not run(tiny(), Recorder(stop_at=6), tmp_path).stopped


def test_a_finished_run_resumed_has_nothing_to_do(tmp_path: Path) -> None:
    finished, observer = run(tiny(), Recorder(), tmp_path), Recorder()
    again = run(tiny(), observer, tmp_path, resume_from=finished.checkpoint)
    assert (again.checkpoint, again.generator_steps) == (finished.checkpoint, 6)
    assert again.wasserstein_estimate == finished.wasserstein_estimate
    assert observer.logged == {}


def test_a_longer_run_continues_where_a_shorter_one_ended(tmp_path: Path) -> None:
    short = run(tiny(generator_steps=4), Recorder(), tmp_path / "a")
    longer = run(tiny(generator_steps=6), Recorder(), tmp_path / "a", resume_from=short.checkpoint)
    assert equal(longer.checkpoint, run(tiny(generator_steps=6), Recorder(), tmp_path / "b").checkpoint)


@pytest.mark.parametrize(
    ("objective", "own"),
    [
        ("wgan", {"wasserstein_estimate", "wasserstein_median", "clip_share"}),
        ("wgan-gp", {"wasserstein_estimate", "wasserstein_median", "gradient_penalty"}),
        ("gan", set()),
    ],
)
def test_each_objective_logs_what_it_measures(objective: str, own: set[str], tmp_path: Path) -> None:
    observer = Recorder()
    result = run(tiny(objective=objective, generator_steps=2), observer, tmp_path)
    shared = {"critic_loss", "generator_loss", "critic_gradient_norm", "generator_gradient_norm", SPEED}
    assert set(observer.logged[2]) == shared | own
    assert (result.wasserstein_estimate is None) == (objective == "gan")


def test_the_median_is_that_of_the_last_101_generator_steps(tmp_path: Path) -> None:
    observer = Recorder()
    result = run(tiny(generator_steps=105, n_critic=1, log_every=1, batch_size=2), observer, tmp_path)
    estimates = [observer.logged[step]["wasserstein_estimate"] for step in range(1, 106)]
    assert observer.logged[3]["wasserstein_median"] == np.median(estimates[:3])
    assert observer.logged[105]["wasserstein_median"] == np.median(estimates[4:])
    assert result.wasserstein_estimate == np.median(estimates[4:])
    assert load_history(result.checkpoint)["wasserstein_estimate"].tolist() == estimates


def test_the_clip_share_counts_the_parameters_on_the_bound(tmp_path: Path) -> None:
    observer = Recorder()
    result = run(tiny(clip_value=0.02), observer, tmp_path)
    critic = torch.load(result.checkpoint, weights_only=True)["critic"]
    on_it = sum(int((tensor.abs() == torch.tensor(0.02)).sum()) for tensor in critic.values())
    share = on_it / sum(tensor.numel() for tensor in critic.values())
    assert 0 < share < 1
    assert observer.logged[6]["clip_share"] == pytest.approx(share)


def test_every_critic_step_gets_a_fresh_batch_in_the_order_of_the_epochs(tmp_path: Path) -> None:
    images = Blobs(count=40)
    train(tiny(generator_steps=2, n_critic=5, batch_size=4), images, "data", Recorder(), CPU, tmp_path)
    assert len(images.asked) == 10
    assert sorted(np.concatenate(images.asked)) == list(range(40))


def test_the_speed_counts_real_images_through_the_critic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, observer = Blobs(), Recorder()
    # By this clock a critic step, and with it a batch of 8, takes half a second.
    monkeypatch.setattr(time, "perf_counter", lambda: len(images.asked) / 2)
    result = train(tiny(), images, "data", observer, CPU, tmp_path)
    assert (result.images_per_second, result.seconds) == (16, 6)
    assert {values[SPEED] for values in observer.logged.values()} == {16}


@pytest.mark.parametrize("log_every", [1, 100])
def test_nan_stops_the_run_and_the_last_good_checkpoint_stays(log_every: int, tmp_path: Path) -> None:
    config = tiny(generator_steps=40, checkpoint_every_steps=2, log_every=log_every)
    good = run(config, Recorder(stop_at=4), tmp_path).checkpoint
    expected, content = good.read_bytes(), torch.load(good, weights_only=True)
    content["critic"]["layers.0.weight"][0] = 3e38  # finite, as a checkpoint must be; its product is not
    poisoned = tmp_path / "poisoned.pt"
    torch.save(content, poisoned)
    with pytest.raises(TrainingDiverged, match=r"critic_loss|wasserstein_estimate") as caught:
        run(config, Recorder(), tmp_path, resume_from=poisoned)
    assert "generator step 5" in str(caught.value)
    assert "training.lr" in str(caught.value)
    assert good.read_bytes() == expected
    assert {path.name for path in tmp_path.glob("step-*")} == {"step-00000002.pt", "step-00000004.pt"}


def test_ranks_that_average_their_gradients_stay_equal() -> None:
    # Two threads stand in for two processes: reduce waits for both and returns the mean.
    barrier, shared = threading.Barrier(2, timeout=60), {}
    states = [new_state(tiny(lr=1e-3), CPU) for _ in range(2)]
    differed: list[bool] = []

    def work(rank: int) -> None:
        def reduce(tensors: Sequence[Tensor]) -> None:
            shared[rank] = [tensor.clone() for tensor in tensors]
            barrier.wait()
            for tensor, first, second in zip(tensors, shared[0], shared[1], strict=True):
                differed.append(not torch.equal(first, second))
                tensor.copy_((first + second) / 2)
            barrier.wait()

        world = World(rank, 2, reduce)
        real = RealBatches(Blobs(), DataOrder(40, 8, 0, world), CPU).batch(0)
        noise = normal((8, 6), CPU, 0, Purpose.CRITIC_NOISE, rank, 0)
        critic_step(states[rank], WeightClipping(0.01), real, noise, torch.rand(8), world=world)
        generator_step(states[rank], WeightClipping(0.01), noise, world=world)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(differed)
    for part in ("critic", "generator"):
        first, second = (getattr(state, part).parameters() for state in states)
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(first, second, strict=True))


def test_only_rank_0_reports_and_writes(tmp_path: Path) -> None:
    observer = Recorder()
    result = train(tiny(), Blobs(), "data", observer, CPU, tmp_path, world=World(1, 2, lambda tensors: None))
    assert (observer.logged, observer.grids, observer.checkpoints) == ({}, {}, [])
    assert list(tmp_path.iterdir()) == []
    assert result.checkpoint == checkpoint_path(tmp_path, 6)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_result_names_device_and_precision(precision: str, tmp_path: Path) -> None:
    result = run(tiny(generator_steps=1, precision=precision), Recorder(), tmp_path)
    assert (result.device, result.precision) == ("cpu", precision)
