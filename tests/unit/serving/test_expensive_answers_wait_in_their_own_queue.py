"""Work is estimated in advance: too much is refused, expensive requests wait, cheap ones do not."""

from __future__ import annotations

import asyncio

import pytest

from wgan.errors import UsageError
from wgan.serving.batching import QueueFull
from wgan.serving.encoding import Encoding
from wgan.serving.workload import MOST_WORK, RUNNING, WAITING_WORK, Cost, Workload

COLOUR = (3, 64, 64)
MOST = 2**24


@pytest.mark.parametrize(
    ("count", "encoding", "expensive"),
    [
        (1, Encoding("grid"), False),
        (16, Encoding("zip"), False),
        (17, Encoding("npy"), True),
        (16, Encoding("animation", "gif"), True),
    ],
)
def test_the_cost_of_an_answer_depends_on_its_images_and_format(
    count: int, encoding: Encoding, expensive: bool
) -> None:
    assert Cost.of(count, COLOUR, encoding, max_batch=16).expensive is expensive


def test_a_walk_of_512_frames_of_256_pixels_is_refused_with_the_allowed_number() -> None:
    cost = Cost.of(512, (3, 256, 256), Encoding("animation", "gif"), 16)
    with pytest.raises(UsageError, match=r"frames: at most 42 such images are made at once\."):
        Workload(MOST).check("frames", 512, cost, most=512)


def test_a_model_has_one_maximum_number_of_images() -> None:
    workload = Workload(MOST)
    assert workload.max_count((1, 32, 32), 512) == 512
    assert workload.max_count((3, 256, 256), 512) == MOST // (3 * 256 * 256) == 85


def test_expensive_answers_take_turns_and_a_cheap_one_does_not_wait() -> None:
    async def main() -> None:
        workload = Workload(MOST)
        dear, cheap = Cost(10**6, 10**6, True), Cost(10, 10, False)
        begun: list[int] = []
        let_go = asyncio.Event()

        async def make(number: int) -> None:
            async with workload.turn(dear):
                begun.append(number)
                await let_go.wait()

        tasks = [asyncio.create_task(make(number)) for number in range(RUNNING + 2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert begun == list(range(RUNNING))
        async with asyncio.timeout(1), workload.turn(cheap):
            pass
        tasks[-1].cancel()  # a client that left
        let_go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert begun == list(range(RUNNING + 1))
        assert workload.waiting_work == 0

    asyncio.run(main())


def test_too_much_waiting_work_is_refused_with_a_time_to_retry() -> None:
    async def main() -> None:
        workload = Workload(MOST)
        dear = Cost(1, MOST_WORK, True)
        tasks = [asyncio.create_task(hold(workload, dear)) for _ in range(RUNNING + WAITING_WORK // MOST_WORK)]
        for _ in range(3):
            await asyncio.sleep(0)
        with pytest.raises(QueueFull) as refused:
            async with workload.turn(dear):
                pass
        assert refused.value.retry_after > 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


async def hold(workload: Workload, cost: Cost) -> None:
    async with workload.turn(cost):
        await asyncio.Event().wait()


def test_the_memory_of_all_answers_is_bounded_until_they_are_sent() -> None:
    async def main() -> None:
        workload = Workload(1000)
        dear, cheap = Cost(1000, 1, True), Cost(600, 1, False)
        async with workload.admitted(dear), workload.admitted(dear):
            with pytest.raises(QueueFull):
                async with workload.admitted(dear):
                    pass
            async with workload.admitted(cheap):
                with pytest.raises(QueueFull):
                    async with workload.admitted(cheap):
                        pass
        async with workload.admitted(dear):
            assert workload.expensive_values == 1000
        assert (workload.expensive_values, workload.cheap_values) == (0, 0)

    asyncio.run(main())
