"""How many workers fit on a cluster's nodes, and what is said when a node that was lost does not return."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest

from wgan.errors import WganError
from wgan.scale import capacity
from wgan.scale.capacity import Need, room_for, wait_for_room

CPUS = [{"CPU": 4.0}, {"CPU": 3.0}]
GPUS = [{"CPU": 16.0, "GPU": 8.0}, {"CPU": 2.0, "GPU": 1.0}, {"CPU": 64.0}]


@pytest.mark.parametrize(
    ("need", "nodes", "room"),
    [
        (Need(1, 0), CPUS, 7),
        (Need(2, 0), CPUS, 3),  # a worker is on one node
        (Need(8, 0), CPUS, 0),
        (Need(1, 1), GPUS, 9),
        (Need(4, 1), GPUS, 4),
        (Need(1, 0), [], 0),
    ],
)
def test_a_worker_needs_all_its_processors_and_its_gpu_on_one_node(
    need: Need, nodes: list[Mapping[str, float]], room: int
) -> None:
    assert room_for(need, nodes) == room


def test_training_waits_for_the_return_of_a_lost_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "PAUSE_SECONDS", 0.0)
    asked = itertools.count()
    assert wait_for_room(2, Need(1, 0), 60, lambda: False, lambda: [{"CPU": 1.0}] * (1 + (next(asked) > 2)))
    assert next(asked) == 4


def test_a_node_that_does_not_return_ends_the_training_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "PAUSE_SECONDS", 0.0)
    with pytest.raises(WganError) as caught:
        wait_for_room(2, Need(1, 1), 0.01, lambda: False, lambda: [{"CPU": 4.0, "GPU": 1.0}])
    assert str(caught.value) == (
        "Ray has room for 1 of 2 workers with 1 processor and 1 GPU each, and no other node came within 0 s "
        "(WGAN_RAY_WAIT_SECONDS): add a node, or set WGAN_RAY_WORKER_CPUS lower."
    )


def test_a_stop_ends_the_waiting() -> None:
    assert not wait_for_room(2, Need(1, 0), 60, lambda: True, lambda: [])
